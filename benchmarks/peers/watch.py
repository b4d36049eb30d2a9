"""What every peer is given and watched by."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from fashion_cnn.dataset.images import read

Answers = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """What is trained: Adam at 0.001, a constant rate, on the first images of the training set."""

    model: str
    image_size: int
    batch_size: int
    images: int
    epochs: int
    # Whether bfloat16 is used by those that have it on the CPU.
    bfloat16: bool

    def architecture(self) -> dict[str, int]:
        """Return the arguments of the network's constructor."""
        return {} if self.model == "lenet" else {"image_size": self.image_size, "width_divisor": 8}


@dataclass
class Watch:
    """Notes when steps and epochs end, and how many test images are answered rightly then."""

    folder: Path
    # time.time() when the command was given.
    commanded: float
    measures_accuracy: bool
    first_step_seconds: float | None = None
    epoch_seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    _started: float = 0.0

    def step(self) -> None:
        """Note that a training step has ended."""
        if self.first_step_seconds is None:
            self.first_step_seconds = time.time() - self.commanded

    def epoch_begins(self) -> None:
        """Note that an epoch begins."""
        self._started = time.perf_counter()

    def epoch_ends(self, answers: Answers) -> None:
        """Note that an epoch has ended.

        Args:
            answers: takes images (N, 1, 28, 28) float32 in [-1, 1]; returns classes (N,).
        """
        self.epoch_seconds.append(time.perf_counter() - self._started)
        if self.measures_accuracy:
            test = read(self.folder, "t10k")
            pixels = test.pixels.reshape(-1, 1, 28, 28).float() / 127.5 - 1
            with torch.inference_mode():
                right = sum(
                    int((answers(images) == labels).sum())
                    for images, labels in zip(
                        pixels.split(500), test.labels.split(500), strict=True
                    )
                )
            self.accuracies.append(right / len(pixels))

    def measured(self) -> dict[str, float | list[float] | None]:
        """Return what was noted, with the peak of memory of this process and of its workers."""
        kilobytes = sum(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return {
            "first_step_seconds": self.first_step_seconds,
            "epoch_seconds": self.epoch_seconds,
            "accuracies": self.accuracies,
            "peak_gigabytes": kilobytes / 1e6,
        }
