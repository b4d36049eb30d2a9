"""A small network's weights before its training and after its epochs, kept as it trains."""

from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

# 22 copies of LeNet's 44,426 weights.
MAX_BYTES = 2_000_000


class Snapshots:
    """Copies of a network's weights, one row per epoch, at most MAX_BYTES in all.

    Epoch 0 is before training. Of more epochs than fit, every second, third, ... counted back from
    the last one is kept; of a network that doesn't fit twice, nothing.
    """

    def __init__(self, network: nn.Module, epochs: int) -> None:
        """Copy the weights of `network` before a training of `epochs` epochs."""
        copies = MAX_BYTES // sum(2 * value.numel() for value in network.state_dict().values())
        self.last = epochs
        self.stride = ceil(epochs / (copies - 1)) if copies >= 2 else 0
        self.epochs: list[int] = []
        self.tensors: dict[str, Tensor] = {}
        self.add(0, network)

    def add(self, epoch: int, network: nn.Module) -> None:
        """Copy the weights of `network` after `epoch`, if it is one of those to keep."""
        if not self.stride or (epoch and (self.last - epoch) % self.stride):
            return
        self.epochs.append(epoch)
        for name, value in network.state_dict().items():
            row = value.detach().contiguous().half().unsqueeze(0)
            rows = self.tensors.get(name, row[:0])
            self.tensors[name] = torch.cat([rows.to(row.device), row])

    def to_checkpoint(self) -> dict[str, Any]:
        """Return the epochs, and per tensor the copies (epochs, ...) float16."""
        return {"epochs": self.epochs, "tensors": self.tensors}

    def restore(self, saved: dict[str, Any]) -> None:
        """Resume from what `to_checkpoint` returned."""
        self.epochs, self.tensors = saved["epochs"], saved["tensors"]
