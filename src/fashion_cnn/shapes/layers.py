"""Layers described by their numbers alone: the shape each gives, and what it holds and costs.

An image's shape is (channels, height, width), a vector's (features,), never with the batch.
"""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fashion_cnn.shapes.arithmetic import (
    Padding,
    Pair,
    ShapeError,
    Size,
    conv_output,
    flag,
    pair,
    pool_output,
    positive,
    sides,
    transposed_conv_output,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """What every layer has; its arguments are checked when a shape is asked of it."""

    _: KW_ONLY
    name: str = ""

    @property
    def kind(self) -> str:
        """The name of the class."""
        return type(self).__name__

    def output(self, shape: Shape) -> Shape:
        """Output shape for an input of `shape`."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Number of weights and biases for an input of `shape`."""
        return 0

    def multiply_accumulates(self, shape: Shape) -> int:
        """Multiplications by a weight for one input of `shape`; biases are not counted."""
        return 0


class Activation(Layer):
    """A function of each value."""


class Dropout(Layer):
    """Random zeros in training, nothing at inference."""


class Flatten(Layer):
    """An image made a vector."""

    def output(self, shape: Shape) -> Shape:
        """(channels * height * width,)."""
        return (prod(shape),)


@dataclass(frozen=True)
class Input(Layer):
    """What enters a network, the first layer of a list: an image of `size` pixels."""

    channels: int
    size: Size

    def output(self, shape: Shape = ()) -> Shape:
        """(channels, height, width); nothing comes before it."""
        if shape:
            raise ShapeError("expected the input first, got it after another layer")
        return positive("channels", self.channels), *pair("size", self.size)


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution to `channels` channels."""

    channels: int
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        """(channels, height, width)."""
        inputs, size = _image(shape)
        outputs, groups = positive("channels", self.channels), positive("groups", self.groups)
        if inputs % groups or outputs % groups:
            raise ShapeError(
                f"groups: expected a divisor of the {inputs} input and the {outputs} output "
                f"channels, got {groups}"
            )
        return outputs, *self._pixels(size)

    def parameters(self, shape: Shape) -> int:
        """A kernel for each pair of channels in a group, a bias for each output channel."""
        return self._weights(shape) + self.channels * flag("bias", self.bias)

    def multiply_accumulates(self, shape: Shape) -> int:
        """Every weight once for each output pixel."""
        return self._weights(shape) * prod(self.output(shape)[1:])

    def _pixels(self, size: Pair) -> Pair:
        return conv_output(size, self.kernel, self.stride, self.padding, self.dilation)

    def _weights(self, shape: Shape) -> int:
        inputs = shape[0] // positive("groups", self.groups)
        return inputs * positive("channels", self.channels) * prod(pair("kernel", self.kernel))


@dataclass(frozen=True)
class TransposedConv(Conv):
    """A transposed convolution to `channels` channels."""

    output_padding: Size = 0

    def multiply_accumulates(self, shape: Shape) -> int:
        """Every weight once for each input pixel."""
        return self._weights(shape) * prod(shape[1:])

    def _pixels(self, size: Pair) -> Pair:
        return transposed_conv_output(
            size, self.kernel, self.stride, self.padding, self.dilation, self.output_padding
        )


@dataclass(frozen=True)
class Pool(Layer):
    """The maximum or the average of each window; the stride is the kernel unless given."""

    kernel: Size
    stride: Size | None = None
    padding: Padding = 0
    dilation: Size = 1
    ceil_mode: bool = False

    def output(self, shape: Shape) -> Shape:
        """(channels, height, width)."""
        channels, size = _image(shape)
        return channels, *pool_output(
            size, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        )


@dataclass(frozen=True)
class AdaptivePool(Layer):
    """A pooling to `size`, whatever the input's; its windows need not be equally large."""

    size: Size

    def output(self, shape: Shape) -> Shape:
        """(channels, height, width)."""
        channels, _ = _image(shape)
        return channels, *pair("size", self.size)


@dataclass(frozen=True)
class Pad(Layer):
    """Pixels put around an image."""

    padding: Padding

    def output(self, shape: Shape) -> Shape:
        """(channels, height + top + bottom, width + left + right)."""
        channels, (height, width) = _image(shape)
        vertical, horizontal = sides("padding", self.padding)
        return channels, height + sum(vertical), width + sum(horizontal)


@dataclass(frozen=True)
class Linear(Layer):
    """A fully connected layer to `features` features."""

    features: int
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        """(features,)."""
        if len(shape) != 1:
            raise ShapeError("expected a vector (features,): a Flatten belongs before this layer")
        return (positive("features", self.features),)

    def parameters(self, shape: Shape) -> int:
        """A weight for each pair of features, a bias for each output feature."""
        return self.multiply_accumulates(shape) + self.features * flag("bias", self.bias)

    def multiply_accumulates(self, shape: Shape) -> int:
        """Every weight once."""
        return prod(shape) * positive("features", self.features)


def named(layers: object) -> list[tuple[str, Layer]]:
    """Each layer of a list with its name; unless given, its kind and its place: `conv1`."""
    if not isinstance(layers, tuple | list):
        raise ShapeError(f"layers: expected a list of layers, got {layers!r}")
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ShapeError(f"layers[{position}]: expected a layer's description, got {layer!r}")
    return [
        (layer.name or f"{layer.kind.lower()}{position}", layer)
        for position, layer in enumerate(layers)
    ]


def _image(shape: Shape) -> tuple[int, Pair]:
    if len(shape) != 3:
        raise ShapeError("expected an image (channels, height, width)")
    return shape[0], (shape[1], shape[2])
