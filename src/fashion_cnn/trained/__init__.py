"""Trained networks: their files and their predictions."""
