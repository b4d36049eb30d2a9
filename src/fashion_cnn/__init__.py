"""Convolutional networks on Fashion-MNIST, as a reproducible DVC pipeline."""

import gc

# torch's import makes objects by the hundred thousand, all to stay; by default, Python looks for
# garbage among them every 700, which takes half a second of every stage and finds none.
gc.set_threshold(100_000, 20, 20)
