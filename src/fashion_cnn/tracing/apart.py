"""Whether a network answers for each image by itself, seen by running it."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.core.compute import seeded
from fashion_cnn.core.shapes import ShapeError
from fashion_cnn.tracing.network import first_tensor

IMAGES = 3


def check_apart(network: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """Run a network, as at inference, on the same image beside different others.

    The shapes alone do not show a mean over the batch, with which an answer would depend on what
    else is asked at the same time. Batch norm uses the means that it has learned, and passes.

    Args:
        network: it is run as it stands, on the CPU, and left in evaluation mode.
        input_shape: (channels, height, width) of one image.

    Raises:
        ShapeError: the answer for the image is not the same; names where that is first seen.
    """
    network.eval()
    with seeded("images"):
        images = torch.randn(IMAGES, *input_shape)
    others = torch.cat([images[:1], 2 * images[1:] + 1])
    (one, answer), (other, different) = _seen(network, images), _seen(network, others)
    if _equal(answer, different):
        return
    pairs = zip(one, other, strict=False)
    place = next(place for (place, first), (_, second) in pairs if not _equal(first, second))
    raise ShapeError(
        f"{place} depends on the other images of the batch: keep images apart, say by "
        "x.mean((1, 2, 3), keepdim=True) in place of x.mean()"
    )


def _seen(network: nn.Module, images: Tensor) -> tuple[list[tuple[str, Tensor]], Tensor]:
    """Return what each module takes and gives for the first image, in order, and the answer."""
    seen: list[tuple[str, Tensor]] = []

    def note(place: str, _: nn.Module, *call: Any) -> None:
        tensor = first_tensor(call[-1])
        if tensor.shape[:1] == (IMAGES,):
            seen.append((place, tensor[0].clone()))

    handles = []
    for name, module in network.named_modules():
        label = f"{name} ({type(module).__name__})" if name else "the network"
        before = partial(note, f"{label}: its input for an image")
        after = partial(note, f"{label}: its output for an image")
        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))
    try:
        # The same draws for both batches, where a network draws anything.
        with seeded("draws"), torch.no_grad():
            answer = first_tensor(network(images))[0]
    finally:
        for handle in handles:
            handle.remove()
    return seen, answer


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, 1e-4, 1e-6, equal_nan=True)
