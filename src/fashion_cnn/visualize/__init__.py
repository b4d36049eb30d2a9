"""From a network's kernels and feature maps to pictures."""
