"""Weights before training."""

from torch import nn


def he_normal(network: nn.Module) -> None:
    """Draw all convolutions' and linear layers' weights by He et al. (2015), eq. 10; biases are 0.

    The variance of 2 / inputs keeps the values' size from layer to layer, where ReLUs follow.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
