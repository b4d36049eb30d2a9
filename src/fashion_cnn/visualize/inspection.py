"""Look into a trained network: kernels, feature maps, dead channels, and Grad-CAM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import ExportImages
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.trained.inference import predict
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
    """An image and the network's prediction.

    Attributes:
        index: of the test image.
        pixels: (C, H, W) uint8.
        label: the true class's name.
        predicted: the predicted class's name.
        probability: of the predicted class.
    """

    index: int
    pixels: Tensor
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Findings:
    """What there is to draw of a network.

    Attributes:
        kernels: each convolution's weight (out, in, h, w) before and after training.
        dead: for each convolution that an activation follows, (C,) bool: which channels are zero
            after the activation for all of `dead_images` images.
        dead_images: how many images that is.
        examples: N images.
        maps: for each convolution, the layers to draw and their outputs (N, C, h, w).
        explained: the layer that Grad-CAM reads.
        heat: (N, h, w) in [0, 1], Grad-CAM's map of each image.
        image_size: pixels per side of the network's input.
    """

    kernels: Mapping[str, tuple[Tensor, Tensor]]
    dead: Mapping[str, Tensor]
    dead_images: int
    examples: Sequence[Example]
    maps: Mapping[str, Sequence[tuple[MapLayer, Tensor]]]
    explained: MapLayer
    heat: Tensor
    image_size: int

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
    settings: ExportImages,
    compute: Compute,
) -> Findings:
    """Look into a trained network.

    Args:
        network: on the compute device; put into evaluation mode.
        transform: what images go through before the network.
        initial_kernels: each convolution's weight (out, in, h, w) before training, by its name.
        images: the test images, on the CPU.
        settings: which images and layers to look at.
        compute: where, in float32.

    Raises:
        InputError: there is no test image of a chosen index.
    """
    indices = settings.images
    if indices == "one_per_class":
        indices = one_per_class(images.labels)
    if (highest := max(indices)) >= len(images):
        raise InputError(
            f"export_images.images: expected indices below {len(images)}, the number of test "
            f"images, got {highest}: name others, or one_per_class"
        )
    names, selected = images.classes, images[torch.tensor(indices)]
    logits = predict(network, selected, transform, compute, len(selected))
    probabilities, predicted = logits.softmax(dim=1).max(dim=1)
    columns = indices, selected.pixels, selected.labels, predicted, probabilities
    network_blocks = blocks(network, transform.image_size, images.kind.channels)
    layers = [layer for block in network_blocks.values() for layer in block]
    shown = [layer.name for layer in layers if layer.kind in settings.maps_after]
    inputs = transform(selected.pixels.to(compute.device))
    maps = feature_maps(network, inputs, shown)
    first_images = images[: settings.dead_channel_images]
    explained = explained_layer(network_blocks, settings.grad_cam_size)
    return Findings(
        kernels={
            name: (initial_kernels[name], layer.weight.detach().cpu())
            for name, layer in convolutions(network).items()
        },
        dead=dead_channels(network, first_images, transform, compute, network_blocks),
        dead_images=len(first_images),
        examples=[
            Example(index, pixels, names[label], names[answer], float(probability))
            for index, pixels, label, answer, probability in zip(*columns, strict=True)
        ],
        maps={
            name: [(layer, maps[layer.name].cpu()) for layer in block if layer.name in maps]
            for name, block in network_blocks.items()
            if any(layer.name in maps for layer in block)
        },
        explained=explained,
        heat=grad_cam(network, network.get_submodule(explained.name), inputs, predicted).cpu(),
        image_size=transform.image_size,
    )


def one_per_class(labels: Tensor) -> list[int]:
    """Return the index of each class's first image among labels (N,), in the classes' order."""
    return [int((labels == label).nonzero()[0]) for label in labels.unique()]
