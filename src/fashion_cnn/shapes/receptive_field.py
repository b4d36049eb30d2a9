"""Receptive fields: which input pixels a unit of a convolutional network looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

from fashion_cnn.shapes.arithmetic import Pair, ShapeError, kernel_extent, pair, sides
from fashion_cnn.shapes.layers import (
    Activation,
    Conv,
    Dropout,
    Input,
    Layer,
    Pad,
    Pool,
    TransposedConv,
    named,
)


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that a layer's units look at, each as (height, width).

    `size` is what one unit looks at and `jump` the distance between the middles of two
    neighbouring units' fields (the cumulative stride), in pixels. `centre` is the middle of the
    first unit's field, on a scale where the first pixel's own middle is 0; padding moves it.

    Source: Araujo, Norris & Sim (2019), Computing receptive fields of convolutional neural
    networks.
    """

    size: Pair = (1, 1)
    jump: Pair = (1, 1)
    centre: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Window:
    """How a layer's units look at its input, each number as (height, width).

    A unit looks at `extent` pixels, the next one starts `stride` further, and the first one
    starts in the padding, `before` pixels ahead of the image.
    """

    extent: Pair = (1, 1)
    stride: Pair = (1, 1)
    before: Pair = (0, 0)


def receptive_fields(layers: Sequence[Layer]) -> tuple[ReceptiveField | None, ...]:
    """The receptive field of each layer of a stack, None from the first that has none.

    None have a vector (Flatten, Linear) and windows that are not alike for all units
    (AdaptivePool, and TransposedConv at a stride).

    Raises:
        ShapeError: an argument of a layer is wrong; names both.
    """
    field: ReceptiveField | None = ReceptiveField()
    fields = []
    for name, layer in named(layers):
        try:
            field = grown(field, window(layer))
        except ShapeError as error:
            raise ShapeError(f"{name} ({layer.kind}): {error}") from None
        fields.append(field)
    return tuple(fields)


def grown(field: ReceptiveField | None, window: Window | None) -> ReceptiveField | None:
    """The receptive field of a layer with `window` on units whose own one is `field`."""
    if field is None or window is None:
        return None
    (height, width), (down, right) = window.extent, field.jump
    return ReceptiveField(
        size=(field.size[0] + (height - 1) * down, field.size[1] + (width - 1) * right),
        jump=(down * window.stride[0], right * window.stride[1]),
        centre=(
            field.centre[0] + ((height - 1) / 2 - window.before[0]) * down,
            field.centre[1] + ((width - 1) / 2 - window.before[1]) * right,
        ),
    )


def window(layer: Layer) -> Window | None:
    """What the units of a layer look at, None where it is not the same for each."""
    match layer:
        case TransposedConv() if pair("stride", layer.stride) != (1, 1):
            return None
        case TransposedConv():
            # At stride 1 it is a convolution with the kernel turned round.
            (height, width) = kernel_extent(layer.kernel, layer.dilation)
            (top, _), (left, _) = sides("padding", layer.padding)
            return Window((height, width), before=(height - 1 - top, width - 1 - left))
        case Conv() | Pool():
            stride = layer.kernel if layer.stride is None else layer.stride
            (top, _), (left, _) = sides("padding", layer.padding)
            extent = kernel_extent(layer.kernel, layer.dilation)
            return Window(extent, pair("stride", stride), (top, left))
        case Pad():
            (top, _), (left, _) = sides("padding", layer.padding)
            return Window(before=(top, left))
        case Input() | Activation() | Dropout():
            return Window()
    return None
