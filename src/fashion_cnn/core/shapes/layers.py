"""Layers described by their numbers alone: the shape each gives, what it holds and costs.

An image's shape is (channels, height, width), a vector's (features,); the batch is left out.
"""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fashion_cnn.core.shapes.arithmetic import (
    Padding,
    Pair,
    ShapeError,
    Size,
    conv_output,
    kernel_extent,
    pair,
    pool_output,
    positive,
    transposed_conv_output,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """What every layer has; its arguments are checked when its output's shape is asked for."""

    _: KW_ONLY
    name: str = ""
    kind: str = ""
    """What messages and rows call this kind of layer; by default its class's name."""

    def __post_init__(self) -> None:
        if not self.kind:
            object.__setattr__(self, "kind", type(self).__name__)

    def output(self, shape: Shape) -> Shape:
        """Return the output's shape for an input of `shape`."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases for an input of `shape`."""
        return 0

    def multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiplications by a weight for one input of `shape`."""
        return 0

    def window(self) -> tuple[Pair, Pair] | None:
        """Return the (height, width) of input that a unit looks at, and the step to the next unit.

        None if it is not the same for every unit.
        """
        return (1, 1), (1, 1)


class Activation(Layer):
    """A function of each value by itself."""


class Dropout(Layer):
    """Random zeros in training, nothing at inference."""


class Flatten(Layer):
    """Makes a vector of an image."""

    def output(self, shape: Shape) -> Shape:
        """Return (channels * height * width,)."""
        return (prod(shape),)

    def window(self) -> None:
        """Return None: a vector has no pixels."""


@dataclass(frozen=True)
class Input(Layer):
    """What enters a network, the first layer of a list: an image of `size` pixels."""

    channels: int
    size: Size

    def output(self, shape: Shape = ()) -> Shape:
        """Return (channels, height, width)."""
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
        """Return (channels, height, width)."""
        inputs, size = _image(shape)
        outputs, groups = positive("channels", self.channels), positive("groups", self.groups)
        if inputs % groups or outputs % groups:
            raise ShapeError(
                f"groups: expected a divisor of the {inputs} input and the {outputs} output "
                f"channels, got {groups}"
            )
        return outputs, *self._pixels(size)

    def parameters(self, shape: Shape) -> int:
        """Return a kernel for each pair of channels in a group, and the biases."""
        return self._weights(shape) + self.channels * self.bias

    def multiply_accumulates(self, shape: Shape) -> int:
        """Return each weight once for each output pixel."""
        return self._weights(shape) * prod(self.output(shape)[1:])

    def window(self) -> tuple[Pair, Pair] | None:
        """Return what the dilated kernel covers, and the stride."""
        return kernel_extent(self.kernel, self.dilation), pair("stride", self.stride)

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
        """Return each weight once for each input pixel."""
        return self._weights(shape) * prod(shape[1:])

    def window(self) -> tuple[Pair, Pair] | None:
        """Return what the kernel covers at stride 1, where it is a convolution, else None."""
        extent, stride = kernel_extent(self.kernel, self.dilation), pair("stride", self.stride)
        return (extent, stride) if stride == (1, 1) else None

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
        """Return (channels, height, width)."""
        channels, size = _image(shape)
        return channels, *pool_output(
            size, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def window(self) -> tuple[Pair, Pair]:
        """Return what the dilated kernel covers, and the stride."""
        stride = self.kernel if self.stride is None else self.stride
        return kernel_extent(self.kernel, self.dilation), pair("stride", stride)


@dataclass(frozen=True)
class Linear(Layer):
    """A fully connected layer to `features` features."""

    features: int
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        """Return (features,)."""
        if len(shape) != 1:
            raise ShapeError("expected a vector (features,): a Flatten belongs before this layer")
        return (positive("features", self.features),)

    def parameters(self, shape: Shape) -> int:
        """Return a weight for each pair of features, and the biases."""
        return self.multiply_accumulates(shape) + self.features * self.bias

    def multiply_accumulates(self, shape: Shape) -> int:
        """Return each weight once."""
        return prod(shape) * positive("features", self.features)

    def window(self) -> None:
        """Return None: a vector has no pixels."""


def _image(shape: Shape) -> tuple[int, Pair]:
    if len(shape) != 3:
        raise ShapeError("expected an image (channels, height, width)")
    return shape[0], (shape[1], shape[2])
