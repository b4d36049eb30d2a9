"""torchvision's VGG-11, adapted to grey images and to the data's classes."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG11_Weights, vgg11

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import left_out, lies_in, root
from fashion_cnn.core.shapes import Input, Pool, trace
from fashion_cnn.core.shapes.arithmetic import positive

# Side of the feature maps that the classifier expects.
POOLED_SIZE = 7


class AveragePool(nn.AdaptiveAvgPool2d):
    """torch's adaptive average pooling as two matrix products.

    torch's own has a backward pass on CUDA that adds in any order, so that its bytes vary.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Average features (N, C, H, W) to (N, C, 7, 7)."""
        rows, columns = (_averages(size, features) for size in features.shape[-2:])
        return rows @ features @ columns.T


def _averages(size: int, like: Tensor) -> Tensor:
    """Return (7, size): each output's weights, as torch defines its bounds."""
    index = torch.arange(POOLED_SIZE, device=like.device)[:, None]
    first = index * size // POOLED_SIZE
    end = ((index + 1) * size + POOLED_SIZE - 1) // POOLED_SIZE
    place = torch.arange(size, device=like.device)
    return (((place >= first) & (place < end)) / (end - first)).to(like.dtype)


class Tile(nn.Module):
    """Adaptive average pooling (N, C, 1, 1) -> (N, C, 7, 7), which repeats each value."""

    def forward(self, features: Tensor) -> Tensor:
        """Repeat features (N, C, 1, 1) over both axes."""
        return features.expand(-1, -1, POOLED_SIZE, POOLED_SIZE)


class TiledLinear(nn.Linear):
    """The linear layer after `Tile`, 49 times cheaper, as equal inputs share one summed weight.

    W (x, ..., x) = (sum of W's blocks) x: the same function, parameters and gradients.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, in_features), each run of 49 values equal, to (N, out_features)."""
        area = POOLED_SIZE**2
        summed = self.weight.view(self.out_features, -1, area).sum(dim=2)
        return F.linear(inputs.unflatten(1, (-1, area))[:, :, 0], summed, self.bias)


def build(
    *, image_size: int = 224, in_channels: int = 1, num_classes: int = 10, weights: str = "none"
) -> nn.Module:
    """Return a network: images (N, in_channels, image_size, image_size) -> logits (N, num_classes).

    Args:
        image_size: pixels per side, at least 32.
        in_channels: 1 for grey; 3 for colour, which keeps torchvision's first layer.
        num_classes: outputs of the new last layer.
        weights: none for torchvision's random initial weights; imagenet for IMAGENET1K_V1, whose
            hash is checked; or the path of a safetensors file in data/pretrained/, which DVC
            watches: the state dict of a VGG-11 of one or three input channels.

    Raises:
        InputError: the weights cannot be fetched or read, or do not fit.
        ShapeError: the image is too small for five halvings.

    Source: Simonyan & Zisserman (2015), table 1, configuration A, as torchvision builds it.
    """
    network = vgg11()
    if in_channels != 3:
        network.features[0] = nn.Conv2d(in_channels, 64, 3, padding=1)
    network.classifier[6] = nn.Linear(4096, num_classes)
    # The convolutions keep the size; only the poolings change it.
    pools = [
        Pool(2, name=f"features.{index}", kind="MaxPool2d")
        for index, layer in enumerate(network.features)
        if isinstance(layer, nn.MaxPool2d)
    ]
    traced = trace([Input(512, positive("image_size", image_size)), *pools])
    feature_size = traced[-1].output_shape[-1]
    if feature_size == POOLED_SIZE:
        # The pooling would change nothing, and its backward pass on CUDA is not deterministic.
        network.avgpool = nn.Identity()
    elif feature_size == 1:
        network.avgpool = Tile()
        tiled, plain = TiledLinear(512 * POOLED_SIZE**2, 4096, device="meta"), network.classifier[0]
        tiled.weight, tiled.bias = plain.weight, plain.bias
        network.classifier[0] = tiled
    else:
        network.avgpool = AveragePool(POOLED_SIZE)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            # In place, it would overwrite the feature maps, which are drawn later.
            module.inplace = False
    if weights != "none":
        _load(network, weights)
    return network


def _load(network: nn.Module, weights: str) -> None:
    """Put a pretrained state dict into `network`, without a last layer for other classes."""
    state = _state_dict(weights)
    first = state.get("features.0.weight")
    channels = network.get_parameter("features.0.weight").shape[1]
    if first is not None and first.ndim == 4 and first.shape[1] != channels:
        # A grey image is the same in every colour, so the summed kernels give the same output.
        summed = first.sum(dim=1, keepdim=True)
        state["features.0.weight"] = summed.expand(-1, channels, -1, -1) / channels
    last = state.get("classifier.6.weight")
    if last is not None and last.shape != network.get_parameter("classifier.6.weight").shape:
        del state["classifier.6.weight"]
        state.pop("classifier.6.bias", None)
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f"vgg11.weights: {weights}: {' '.join(str(error).split())}") from None
    absent = [name for name in missing if not name.startswith("classifier.6.")]
    if absent or unexpected:
        raise InputError(
            f"vgg11.weights: expected the state dict of a VGG-11, but {weights} "
            f"lacks {absent or 'nothing'} and also has {unexpected or 'nothing'}"
        )


def _state_dict(weights: str) -> dict[str, Tensor]:
    if weights == "imagenet":
        try:
            return dict(
                VGG11_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True, weights_only=True)
            )
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"vgg11.weights: imagenet could not be fetched ({error}): download "
                f"{VGG11_Weights.IMAGENET1K_V1.url} on another machine and put it into "
                f"{torch.hub.get_dir()}/checkpoints, or set vgg11.weights to none"
            ) from None
    path, inside = root() / weights, lies_in(root() / weights, root() / "data" / "pretrained")
    if Path(weights).is_absolute() or not inside or not path.is_file():
        raise InputError(
            f"vgg11.weights: expected none, imagenet or a file in data/pretrained/, which DVC "
            f"watches, got {weights!r}{left_out(weights)}"
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"vgg11.weights: {weights} is not a safetensors file ({error}): "
            "convert a .pth with safetensors.torch.save_file"
        ) from None
