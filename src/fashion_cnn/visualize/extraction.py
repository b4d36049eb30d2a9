"""From a network's inside to tensors: kernels, feature maps, dead channels, where it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from fashion_cnn.base.params import LayerKind
from fashion_cnn.dataset.images import Images, Transform, batches
from fashion_cnn.tracing import trace_network

TYPES: Mapping[LayerKind, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d,),
    "activation": (nn.ReLU,),
    "pool": (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
}
# Few enough that a VGG-11's maps at 224 pixels take 1.5 GB.
BATCH_SIZE = 50


@dataclass(frozen=True)
class MapLayer:
    """A layer that gives maps: of this shape (C, h, w), each value of so many pixels (h, w)."""

    name: str
    kind: LayerKind
    type: str
    shape: tuple[int, ...]
    receptive_field: tuple[int, int] | None


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Return every convolution by its qualified name, at any depth, in the network's order."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def blocks(network: nn.Module, image_size: int) -> dict[str, list[MapLayer]]:
    """Return, for each convolution by name, the layers that make its maps, in order of use.

    They are the convolution itself and the activations and pools between it and the next one.
    """
    found: dict[str, list[MapLayer]] = {}
    block: list[MapLayer] = []
    for row in trace_network(network, (1, image_size, image_size)):
        module = network.get_submodule(row.name)
        kind = next((kind for kind, types in TYPES.items() if isinstance(module, types)), None)
        if kind == "convolution":
            block = found[row.name] = []
        # After the last map come layers of vectors, which belong to no convolution.
        if kind and len(row.output_shape) == 3:
            block.append(MapLayer(row.name, kind, row.kind, row.output_shape, row.receptive_field))
    return found


@torch.inference_mode()
def feature_maps(network: nn.Module, inputs: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the output (N, C, h, w) of each layer, from one forward pass of the network.

    Args:
        network: put into evaluation mode.
        inputs: (N, 1, H, W) float32, transformed as the network expects.
        layers: names of modules.
    """
    extractor = create_feature_extractor(network.eval(), return_nodes=[*layers])
    maps: dict[str, Tensor] = extractor(inputs)
    return maps


@torch.inference_mode()
def dead_channels(
    network: nn.Module,
    images: Images,
    transform: Transform,
    found: Mapping[str, Sequence[MapLayer]],
) -> dict[str, Tensor]:
    """Return which channels are zero everywhere, for every image, after the activation: (C,) bool.

    Args:
        network: put into evaluation mode.
        images: at least one.
        transform: what images go through before the network.
        found: the network's `blocks`; one without an activation has no dead channels to tell.
    """
    device = next(network.parameters()).device
    activations = {
        layer.name: name
        for name, block in found.items()
        for layer in block
        if layer.kind == "activation"
    }
    extractor = create_feature_extractor(network.eval(), return_nodes=activations)
    alive: dict[str, Tensor] = {}
    for batch in batches(images, BATCH_SIZE):
        for name, maps in extractor(transform(batch.pixels.to(device))).items():
            seen = maps.abs().amax(dim=(0, 2, 3)) > 0
            alive[name] = alive[name] | seen if name in alive else seen
    return {name: ~alive[name].cpu() for name in activations.values()}


def strongest_channels(weight: Tensor) -> Tensor:
    """Return, for each kernel of weight (out, in, h, w), its input channel of largest L2 norm."""
    return weight.flatten(2).norm(dim=2).argmax(dim=1)


def change(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return how far a tensor moved, as a share of its first L2 norm, and the two's cosine."""
    moved = (after - before).norm() / before.norm()
    return float(moved), float(F.cosine_similarity(before.flatten(), after.flatten(), dim=0))


def explained_layer(found: Mapping[str, Sequence[MapLayer]], min_size: int) -> MapLayer:
    """Return the layer that Grad-CAM reads.

    It is that of the last convolution whose maps are at least `min_size` pixels a side, as deeper
    maps say more of the class and less of the place; of the first convolution, if none is. Of
    its layers it is the activation, where there is one.
    """
    large = [block for block in found.values() if min(block[0].shape[1:]) >= min_size]
    block = large[-1] if large else next(iter(found.values()))
    return next((layer for layer in block if layer.kind == "activation"), block[0])


def grad_cam(network: nn.Module, layer: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return how much each place of a layer's maps speaks for a class: (N, h, w), from 0 to 1.

    Args:
        network: put into evaluation mode.
        layer: the module of `network` whose output (N, C, h, w) is read.
        inputs: (N, 1, H, W) float32, transformed as the network expects.
        targets: (N,) int64, the class of each image to explain.

    Source: Selvaraju et al. (2017), eq. 1 and 2, as Captum computes it; each image's greatest
    value is then made 1.
    """
    explained = LayerGradCam(network.eval(), layer)
    heat = explained.attribute(inputs, targets, relu_attributions=True).detach()[:, 0]
    return heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
