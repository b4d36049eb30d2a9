"""One timed pass of a trained network over the test images."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.core.compute import Compute
from fashion_cnn.core.gpu_lock import own_gpu
from fashion_cnn.dataset.images import Images
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

# Features are kept of as many images as TensorBoard's projector shows smoothly.
KEPT = 1000

# At most so many images are timed one at a time, and none is begun after so many seconds.
TIMED_IMAGES = 30
TIMED_SECONDS = 1.0


@dataclass(frozen=True)
class Pass:
    """The results of a pass over N images, on the CPU.

    logits: (N, classes) float32. features: (min(N, 1000), D) float32, the last linear layer's
    input for the first images. speed: images_per_second in batches; milliseconds_per_image for one
    image at a time, the median.
    """

    logits: Tensor
    features: Tensor
    speed: dict[str, float]

    def describe_speed(self) -> str:
        """Return the speed in words."""
        batched, single = self.speed.values()
        return f"{batched:.0f} images/s in batches, {single:.1f} ms for a single image"


def run(trained: Trained, images: Images, compute: Compute, batch_size: int) -> Pass:
    """Predict the images, and measure how long it takes.

    Args:
        trained: the network, which is moved to the compute device, and the transform of its input.
        images: N images, on the CPU.
        compute: where, and in what type.
        batch_size: images per batch.
    """
    with own_gpu(compute) as held:
        network = trained.network.to(held.device)
        batch_size = trained.batch_size(batch_size, held.device)
        # Not timed: the first batch also loads libraries and prepares torch for its size.
        predict(network, images[:batch_size], trained.transform, held, batch_size)
        started = time.perf_counter()
        with _penultimate(network, KEPT) as features:
            logits = predict(network, images, trained.transform, held, batch_size).cpu()
        batched = len(images) / (time.perf_counter() - started)
        single = _milliseconds_per_image(trained, images, held)
    speed = {"images_per_second": batched, "milliseconds_per_image": single}
    return Pass(logits, torch.cat(features)[:KEPT].float().cpu(), speed)


@contextmanager
def _penultimate(network: nn.Module, kept: int) -> Iterator[list[Tensor]]:
    """Collect the last linear layer's inputs until there are at least `kept` rows."""
    collected: list[Tensor] = []

    def collect(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if sum(map(len, collected)) < kept:
            collected.append(inputs[0])

    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(collect)
    try:
        yield collected
    finally:
        hook.remove()


def _milliseconds_per_image(trained: Trained, images: Images, compute: Compute) -> float:
    seconds: list[float] = []
    for index in range(TIMED_IMAGES):
        started = time.perf_counter()
        one = images[index % len(images) :][:1]
        predict(trained.network, one, trained.transform, compute, 1).cpu()
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > TIMED_SECONDS:
            break
    # The first is left out: it also prepares torch for the new batch size.
    return 1000 * statistics.median(seconds[1:] or seconds)
