"""Convolutional networks on Fashion-MNIST, as a reproducible DVC pipeline."""
