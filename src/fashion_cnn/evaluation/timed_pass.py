"""A trained network's one timed pass over the test images."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.compute import Compute
from fashion_cnn.base.gpu_lock import own_gpu
from fashion_cnn.dataset.images import Images
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

# Images whose features are kept: as many as TensorBoard's projector shows at ease.
KEPT = 1000

# Single images timed, and the seconds after which no other is begun.
TIMED_IMAGES = 30
TIMED_SECONDS = 1.0


@dataclass(frozen=True)
class Pass:
    """What came of it, on the CPU.

    logits: (N, 10) float32. features: (min(N, 1000), D) float32, what the last linear layer saw
    of the first images. speed: images_per_second in batches, milliseconds_per_image for one
    image at a time, the median.
    """

    logits: Tensor
    features: Tensor
    speed: dict[str, float]

    def told(self) -> str:
        """Return the speed in words."""
        batched, single = self.speed.values()
        return f"{batched:.0f} images/s in batches, {single:.1f} ms for a single image"


def run(trained: Trained, images: Images, compute: Compute, batch_size: int) -> Pass:
    """Show `images` to the network, which moves to the compute device.

    Args:
        trained: the network and the transform of its input.
        images: N images, on the CPU.
        compute: where and how.
        batch_size: images a batch.
    """
    with own_gpu(compute) as held:
        network = trained.network.to(held.device)
        started = time.perf_counter()
        with _penultimate(network, KEPT) as features:
            logits = predict(network, images, trained.transform, held, batch_size).cpu()
        batched = len(images) / (time.perf_counter() - started)
        single = _milliseconds_per_image(trained, images, held)
    speed = {"images_per_second": batched, "milliseconds_per_image": single}
    return Pass(logits, torch.cat(features)[:KEPT].float().cpu(), speed)


@contextmanager
def _penultimate(network: nn.Module, kept: int) -> Iterator[list[Tensor]]:
    """Collect the last linear layer's inputs, until there are at least `kept` rows."""
    seen: list[Tensor] = []

    def collect(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if sum(map(len, seen)) < kept:
            seen.append(inputs[0])

    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(collect)
    try:
        yield seen
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
    # The first also prepares torch for the new batch size.
    return 1000 * statistics.median(seconds[1:] or seconds)
