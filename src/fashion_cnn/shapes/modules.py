"""What torch's own layers are in this package's terms, and a module's twin on the meta device."""

import copy
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from fashion_cnn.shapes.arithmetic import Padding, Pair, ShapeError, conv_padding
from fashion_cnn.shapes.layers import Activation, Conv, Layer, Pad, Pool, Shape, TransposedConv

aten = torch.ops.aten

# At inference, the output at a place depends on the input at that place alone.
_POINTWISE = (
    *(nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh),
    *(nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.PReLU, nn.ReLU, nn.RReLU, nn.SELU, nn.SiLU),
    *(nn.Sigmoid, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold),
    *(nn.AlphaDropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.FeatureAlphaDropout, nn.BatchNorm2d, nn.LocalResponseNorm, nn.Softmax2d, nn.Identity),
)


def described(module: nn.Module) -> Layer | None:
    """The description of one of torch's layers for images, None for any other module.

    Any pointwise layer is described as an `Activation`. What runs a `forward` of another's making
    is not one of torch's layers, whatever its class.
    """
    if not module.forward.__module__.startswith("torch.nn."):
        return None
    match module:
        case nn.Conv2d():
            return Conv(
                channels=module.out_channels,
                kernel=_pair(module.kernel_size),
                stride=_pair(module.stride),
                padding=_padding(module),
                dilation=_pair(module.dilation),
                groups=module.groups,
            )
        case nn.ConvTranspose2d():
            return TransposedConv(
                channels=module.out_channels,
                kernel=_pair(module.kernel_size),
                stride=_pair(module.stride),
                padding=_padding(module),
                dilation=_pair(module.dilation),
                groups=module.groups,
                output_padding=_pair(module.output_padding),
            )
        case nn.MaxPool2d() | nn.AvgPool2d():
            return Pool(
                kernel=_pair(module.kernel_size),
                stride=_pair(module.stride or module.kernel_size),
                padding=_pair(module.padding),
                dilation=_pair(getattr(module, "dilation", 1)),
                ceil_mode=module.ceil_mode,
            )
        case (
            nn.CircularPad2d() | nn.ConstantPad2d() | nn.ReflectionPad2d() | nn.ReplicationPad2d()
        ) if min(module.padding) >= 0:
            left, right, top, bottom = module.padding
            return Pad(((top, bottom), (left, right)))
    return Activation() if isinstance(module, _POINTWISE) else None


def multiply_accumulates(operation: object, args: Sequence[Any], result: Any) -> int:
    """Multiplications by a weight in one of torch's operations, if a layer's; 0 in any other."""
    match operation:
        case aten.convolution.default:
            given, weight, *_, transposed, _, _ = args
            at = given if transposed else result
            return int(weight.numel() * at.shape[0] * prod(at.shape[2:]))
        case aten.mm.default | aten.addmm.default:
            return int(result.numel() * args[-1].shape[0])
    return 0


def misfit(module: nn.Module, shape: Shape) -> str | None:
    """What is wrong with an input of `shape` for one of torch's layers; None where unknown."""
    match module:
        case nn.Linear():
            expected, given, of = module.in_features, shape[-1:], "input features"
        case nn.Conv2d() | nn.ConvTranspose2d():
            expected, given, of = module.in_channels, shape[:1], "input channels"
        case nn.BatchNorm2d():
            expected, given, of = module.num_features, shape[:1], "channels"
        case _:
            expected, given, of = 0, (0,), ""
    if given and given != (expected,):
        return f"expected {expected} {of}, got {given[0]}"
    layer = described(module)
    try:
        if layer is not None:
            layer.output(shape)
    except ShapeError as error:
        return str(error)
    return None


def meta_twin(module: nn.Module) -> nn.Module:
    """A copy for inference with meta tensors in the place of the module's own.

    Raises:
        ShapeError: the module cannot be copied.
    """
    tensors = [
        tensor
        for part in module.modules()
        for tensor in (*part.parameters(False), *part.buffers(False), *vars(part).values())
        if isinstance(tensor, Tensor)
    ]
    twins: dict[int, object] = {id(tensor): _on_meta(tensor) for tensor in tensors}
    try:
        twin = copy.deepcopy(module, twins)
    except Exception as error:
        raise ShapeError(
            f"network: expected a module that can be copied, got {type(module).__name__}, "
            f"which cannot: {error}"
        ) from error
    # Not by eval(), which a module may have given a meaning of its own.
    for part in twin.modules():
        part.training = False
    return twin


def _on_meta(tensor: Tensor) -> Tensor:
    # A lazy module's parameters get their shapes in the twin, once it runs.
    if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
        return type(tensor)(device="meta")  # type: ignore[call-arg]
    return tensor.detach().to("meta")


def _padding(conv: nn.Conv2d | nn.ConvTranspose2d) -> Padding:
    if conv.padding == "same":
        return conv_padding(1, 1, _pair(conv.kernel_size), dilation=_pair(conv.dilation))
    return 0 if isinstance(conv.padding, str) else _pair(conv.padding)


def _pair(value: int | Sequence[int]) -> Pair:
    """One number stands for both axes, with or without a tuple around it."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
