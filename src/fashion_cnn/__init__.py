"""Convolutional networks on Fashion-MNIST, as a reproducible DVC pipeline."""

from fashion_cnn.base import startup as startup
