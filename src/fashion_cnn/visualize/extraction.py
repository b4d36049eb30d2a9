"""From a network to tensors: its kernels, feature maps, dead channels, Grad-CAM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from fashion_cnn.base.params import LayerKind
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images, Transform, batches
from fashion_cnn.tracing import trace_network

TYPES: Mapping[LayerKind, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d,),
    "activation": (nn.ReLU,),
    "pool": (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
}
# Feature maps of so many images at 224 pixels take 1.5 GB with VGG-11.
BATCH_SIZE = 50


@dataclass(frozen=True)
class MapLayer:
    """A layer whose output is maps of this shape (C, h, w), with the receptive field (h, w)."""

    name: str
    kind: LayerKind
    type: str
    shape: tuple[int, ...]
    receptive_field: tuple[int, int] | None


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Return every convolution by its qualified name, at any depth, in the network's order."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def blocks(network: nn.Module, image_size: int, channels: int = 1) -> dict[str, list[MapLayer]]:
    """Return each convolution with the activations and pools up to the next one, by its name."""
    by_name: dict[str, list[MapLayer]] = {}
    block: list[MapLayer] = []
    for row in trace_network(network, (channels, image_size, image_size)):
        module = network.get_submodule(row.name)
        kind = next((kind for kind, types in TYPES.items() if isinstance(module, types)), None)
        if kind == "convolution":
            block = by_name[row.name] = []
        # The classifier's activations give vectors, and belong to no convolution.
        if kind and len(row.output_shape) == 3:
            block.append(MapLayer(row.name, kind, row.kind, row.output_shape, row.receptive_field))
    return by_name


@torch.inference_mode()
def feature_maps(network: nn.Module, inputs: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the output (N, C, h, w) of each layer, from one forward pass of the network.

    Args:
        network: put into evaluation mode.
        inputs: (N, C, H, W) float32, transformed as the network expects.
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
    compute: Compute,
    network_blocks: Mapping[str, Sequence[MapLayer]],
) -> dict[str, Tensor]:
    """Return which channels are zero everywhere after the activation, for every image: (C,) bool.

    Args:
        network: on the compute device; put into evaluation mode.
        images: at least one.
        transform: what images go through before the network.
        compute: where.
        network_blocks: the network's `blocks`; those without an activation are left out.
    """
    activations = {
        layer.name: name
        for name, block in network_blocks.items()
        for layer in block
        if layer.kind == "activation"
    }
    extractor = create_feature_extractor(network.eval(), return_nodes=activations)
    alive: dict[str, Tensor] = {}
    for batch in batches(images, BATCH_SIZE):
        for name, maps in extractor(transform(batch.pixels.to(compute.device))).items():
            active = maps.abs().amax(dim=(0, 2, 3)) > 0
            alive[name] = alive[name] | active if name in alive else active
    return {name: ~alive[name].cpu() for name in activations.values()}


def strongest_channels(weight: Tensor) -> Tensor:
    """Return, for each kernel of weight (out, in, h, w), its input channel of largest L2 norm."""
    return weight.flatten(2).norm(dim=2).argmax(dim=1)


def change(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return the L2 norm of a tensor's change relative to that of `before`, and the cosine."""
    moved = (after - before).norm() / before.norm()
    return float(moved), float(F.cosine_similarity(before.flatten(), after.flatten(), dim=0))


def explained_layer(network_blocks: Mapping[str, Sequence[MapLayer]], min_size: int) -> MapLayer:
    """Return the layer that Grad-CAM reads.

    It is the activation, or else the convolution, of the last block whose maps are at least
    `min_size` pixels wide and high, or of the first block if there is none: deeper maps say more
    about the class, but less about where it is.
    """
    large = [block for block in network_blocks.values() if min(block[0].shape[1:]) >= min_size]
    block = large[-1] if large else next(iter(network_blocks.values()))
    return next((layer for layer in block if layer.kind == "activation"), block[0])


def grad_cam(network: nn.Module, layer: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return how much each position of a layer's maps speaks for a class: (N, h, w) in [0, 1].

    Args:
        network: put into evaluation mode.
        layer: the module of `network` whose output (N, C, h, w) is read.
        inputs: (N, C, H, W) float32, transformed as the network expects.
        targets: (N,) int64, the class to explain for each image.

    Source: Selvaraju et al. (2017), eq. 1 and 2, as computed by Captum; each image is then scaled
    so that its maximum is 1.
    """
    explained = LayerGradCam(network.eval(), layer)
    heat = explained.attribute(inputs, targets, relu_attributions=True).detach()[:, 0]
    return heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
