"""Trained networks: their files and their answers."""
