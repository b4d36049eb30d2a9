"""What a network has inside -> pictures."""
