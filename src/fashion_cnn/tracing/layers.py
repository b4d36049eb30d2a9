"""A single layer of torch: whether its input fits it, and its description as shape arithmetic."""

from typing import Any

from torch import Tensor, nn

from fashion_cnn.core.shapes import (
    Activation,
    Conv,
    Layer,
    Pool,
    ShapeError,
    TransposedConv,
    conv_padding,
)

# At inference, their output at a pixel depends on the input at that pixel alone.
_POINTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish),
    *(nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity),
)


def require_fit(module: nn.Module, given: Tensor, images: int, *, is_image: bool) -> None:
    """Check a layer's input, where torch says less or, on the meta device, nothing.

    Args:
        module: any module; only known layers are checked.
        given: its input, with one row for each image.
        images: how many there are.
        is_image: whether `given` is (images, channels, height, width).

    Raises:
        ShapeError: it does not fit; the message says what was expected.
    """
    if isinstance(module, nn.Linear | nn.Conv2d) and given.dtype != module.weight.dtype:
        expected = f"expected an input of {module.weight.dtype}, like the layer's weights"
        raise ShapeError(f"{expected}, got {given.dtype}")
    if isinstance(module, nn.Linear):
        require_apart("input", given, images)
    shape = tuple(given.shape[1:])
    match module:
        case nn.Linear() if is_image:
            raise ShapeError("expected a vector (features,): a Flatten belongs before this layer")
        case nn.Linear() if shape[-1] != module.in_features:
            fitting = f"make it {type(module).__name__}({shape[-1]}, {module.out_features})"
            raise ShapeError(
                f"expected {module.in_features} input features, got {shape[-1]}: {fitting}"
            )
        case nn.Conv2d() | nn.ConvTranspose2d() if shape[0] != module.in_channels:
            raise ShapeError(f"expected {module.in_channels} input channels, got {shape[0]}")
        case nn.TransformerEncoderLayer() | nn.MultiheadAttention() | nn.RNNBase():
            batch_first = getattr(module, "self_attn", module).batch_first
            if not batch_first and given.shape[0] == images != given.shape[1]:
                raise ShapeError(
                    f"expected the sequence first, got {tuple(given.shape)} for {images} images, "
                    "which it would mix: build it with batch_first=True"
                )
    layer = described(module)
    if layer is not None and len(shape) == 3:
        layer.output(shape)


def require_apart(what: str, tensor: Tensor, images: int) -> None:
    """Raise a ShapeError if a tensor does not hold one row for each image."""
    if tensor.shape[:1] != (images,):
        these = f"{images} images" if images > 1 else "a single image"
        raise ShapeError(
            f"expected an {what} ({images}, ...) for {these}, got {tuple(tensor.shape)}: keep "
            "images apart, say with nn.Flatten() or x.flatten(1)"
        )


def described(module: Any) -> Layer | None:
    """Return one of torch's layers as its description, None for any other module.

    Every pointwise layer is described as an `Activation`.
    """
    kind = type(module)
    if kind in (nn.Conv2d, nn.ConvTranspose2d):
        padding = 0 if module.padding == "valid" else module.padding
        if padding == "same":
            padding = conv_padding(1, 1, module.kernel_size, dilation=module.dilation)
        numbers = (module.out_channels, module.kernel_size, module.stride, padding)
        if kind is nn.Conv2d:
            return Conv(*numbers, module.dilation, module.groups)
        extra = module.output_padding
        return TransposedConv(*numbers, module.dilation, module.groups, output_padding=extra)
    if kind in (nn.MaxPool2d, nn.AvgPool2d):
        dilation = getattr(module, "dilation", 1)
        return Pool(module.kernel_size, module.stride, module.padding, dilation, module.ceil_mode)
    return Activation() if kind in _POINTWISE else None
