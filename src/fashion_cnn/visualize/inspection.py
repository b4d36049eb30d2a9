"""What there is to see in a trained network, for some test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.params import ExportImages
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.visualize.extraction import (
    MapLayer,
    blocks,
    convolutions,
    dead_channels,
    explained_layer,
    feature_maps,
    grad_cam,
)


@dataclass(frozen=True)
class Example:
    """An image and the network's answer.

    Attributes:
        index: which of the test images.
        pixels: (1, 28, 28) uint8.
        label: the true class.
        predicted: the network's.
        probability: of the predicted class.
    """

    index: int
    pixels: Tensor
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True)
class Findings:
    """What there is to draw of a network.

    Attributes:
        kernels: of each convolution, its weight (out, in, h, w) before and after training.
        dead: of each convolution that an activation follows, (C,) bool: the channels that are
            zero after it for each of `dead_images` images.
        dead_images: how many these are.
        examples: N images.
        maps: of each convolution, the layers chosen and their outputs (N, C, h, w).
        explained: the layer that Grad-CAM reads.
        heat: (N, h, w), from 0 to 1, what Grad-CAM says of each image.
    """

    kernels: Mapping[str, tuple[Tensor, Tensor]]
    dead: Mapping[str, Tensor]
    dead_images: int
    examples: Sequence[Example]
    maps: Mapping[str, Sequence[tuple[MapLayer, Tensor]]]
    explained: MapLayer
    heat: Tensor

    def metrics(self, model: str) -> dict[str, Any]:
        """Return how many channels are dead, in all and by layer, as the metrics file has it.

        DVC shows what stands under the model's name, and nothing that is in a list.
        """
        layers = [
            {"layer": name, "channels": len(dead), "dead_channels": int(dead.sum())}
            for name, dead in self.dead.items()
        ]
        channels = sum(len(dead) for dead in self.dead.values())
        return {
            model: {"dead_channels": sum(int(dead.sum()) for dead in self.dead.values())},
            "details": [{"images": self.dead_images, "channels": channels}],
            "layers": layers,
        }


def inspect(
    network: nn.Module,
    transform: Transform,
    initial_kernels: Mapping[str, Tensor],
    images: Images,
    chosen: ExportImages,
) -> Findings:
    """Look into a trained network, on the device that it lies on.

    Args:
        network: put into evaluation mode.
        transform: what images go through before the network.
        initial_kernels: weight (out, in, h, w) of each convolution, by its name, before training.
        images: the test images.
        chosen: which images, and what to look at.
    """
    indices = one_per_class(images.labels) if chosen.images == "one_per_class" else chosen.images
    inputs = transform(images.pixels[indices].to(next(network.parameters()).device))
    with torch.inference_mode():
        probabilities = network.eval()(inputs).softmax(dim=1)
    predicted = probabilities.argmax(dim=1)
    examples = [
        Example(index, pixels, int(label), int(answer), float(row[answer]))
        for index, pixels, label, answer, row in zip(
            indices,
            images.pixels[indices],
            images.labels[indices],
            predicted,
            probabilities,
            strict=True,
        )
    ]
    found = blocks(network, transform.image_size)
    layers = [layer for block in found.values() for layer in block]
    shown = [layer.name for layer in layers if layer.kind in chosen.maps_after]
    maps = feature_maps(network, inputs, shown)
    counted = images[: chosen.dead_channel_images]
    explained = explained_layer(found, chosen.grad_cam_size)
    module = network.get_submodule(explained.name)
    return Findings(
        kernels={
            name: (initial_kernels[name], layer.weight.detach().cpu())
            for name, layer in convolutions(network).items()
        },
        dead=dead_channels(network, counted, transform, found),
        dead_images=len(counted),
        examples=examples,
        maps={
            name: [(layer, maps[layer.name].cpu()) for layer in block if layer.name in maps]
            for name, block in found.items()
            if any(layer.name in maps for layer in block)
        },
        explained=explained,
        heat=grad_cam(network, module, inputs, predicted).cpu(),
    )


def one_per_class(labels: Tensor) -> list[int]:
    """Return the index of the first image of each class in labels (N,), class by class."""
    return [int((labels == label).nonzero()[0]) for label in labels.unique()]
