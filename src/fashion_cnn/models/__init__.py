"""The three networks, one architecture a file; each module's `build` makes its network."""
