"""The three networks, one architecture a file; each module's `build` makes its network."""

import importlib

from torch import nn


def build(model: str, **architecture: int) -> nn.Module:
    """Make the network of lenet, vgg or vgg11; no other architecture's code is imported."""
    network: nn.Module = importlib.import_module(f"{__name__}.{model}").build(**architecture)
    return network
