"""Output sizes of convolutions and poolings, and the paddings that give a wanted size.

Sizes are in pixels, an int for both axes or a (height, width) pair; a padding may also be
((top, bottom), (left, right)). Every function raises `ShapeError` for an argument of another form
and for whatever torch's own layers refuse.

Source: Dumoulin & Visin (2016), A guide to convolution arithmetic for deep learning.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeGuard

from fashion_cnn.base.errors import InputError

Pair = tuple[int, int]
Size = int | Pair
Sides = tuple[Pair, Pair]
Padding = int | tuple[int | Pair, int | Pair]


class ShapeError(InputError):
    """A shape that does not exist or does not fit; the message names the argument and its value.

    Attributes:
        rows: where a network was traced, its layers before the fault, as `TracedLayer`.
    """

    def __init__(self, message: str, rows: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


def conv_output(
    size: Size, kernel: Size, stride: Size = 1, padding: Padding = 0, dilation: Size = 1
) -> Pair:
    """Return the size (height, width) of a convolution's output.

    Raises:
        ShapeError: the dilated kernel is larger than the padded input.
    """
    sizes, strides, around = pair("size", size), pair("stride", stride), sides("padding", padding)
    covered = kernel_extent(kernel, dilation)
    height, width = (
        (i + sum(p) - e) // s + 1
        for i, e, s, p in zip(sizes, covered, strides, around, strict=True)
    )
    if min(height, width) < 1:
        raise _too_large(kernel, covered, sizes, around)
    return height, width


def pool_output(
    size: Size,
    kernel: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Pair:
    """Return the size (height, width) of a pooling's output; by default the stride is the kernel.

    With `ceil_mode`, a last window that reaches past the end counts too, provided that it starts
    inside the input or in the padding before it.

    Raises:
        ShapeError: the dilated kernel is larger than the padded input, or the padding is larger
            than half the kernel.
    """
    sizes, kernels, around = pair("size", size), pair("kernel", kernel), sides("padding", padding)
    strides = kernels if stride is None else pair("stride", stride)
    covered = kernel_extent(kernel, dilation)
    # torch's limit is half the kernel's own size; dilation does not change it.
    if any(max(p) > k // 2 for p, k in zip(around, kernels, strict=True)):
        raise ShapeError(
            f"padding: expected at most half the kernel {kernels} on any side, got {padding!r}"
        )
    height, width = (
        # The last window starts at a multiple of the stride below i + p[0].
        min((i + sum(p) - e + (s - 1) * ceil_mode) // s + 1, -(-(i + p[0]) // s))
        for i, e, s, p in zip(sizes, covered, strides, around, strict=True)
    )
    if min(height, width) < 1:
        raise _too_large(kernel, covered, sizes, around)
    return height, width


def transposed_conv_output(
    size: Size,
    kernel: Size,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    output_padding: Size = 0,
) -> Pair:
    """Return the size (height, width) of a transposed convolution's output.

    Raises:
        ShapeError: the padding removes the whole output, or the output padding is as large as
            both the stride and the dilation.
    """
    full = _unpadded(size, kernel, stride, dilation, output_padding)
    top, left = (sum(p) for p in sides("padding", padding))
    height, width = full[0] - top, full[1] - left
    if min(height, width) < 1:
        raise ShapeError(f"padding: {padding!r} leaves nothing of the unpadded output {full}")
    return height, width


def conv_padding(
    size: Size, output: Size, kernel: Size, stride: Size = 1, dilation: Size = 1
) -> Sides:
    """Return the padding ((top, bottom), (left, right)) that gives a convolution this output size.

    It is the smallest such padding; the extra pixel of an odd total is at the bottom or right.

    Raises:
        ShapeError: the output is smaller than without padding; names the nearest possible one.
    """
    sizes, outputs, strides = pair("size", size), pair("output", output), pair("stride", stride)
    covered = kernel_extent(kernel, dilation)
    height, width = (
        (o - 1) * s - i + e for i, o, s, e in zip(sizes, outputs, strides, covered, strict=True)
    )
    # Up to stride - 1 pixels at the end are in no window, so a total of as little as 1 - stride
    # needs no padding.
    if height <= -strides[0] or width <= -strides[1]:
        nearest = tuple(
            max(o, (i - e) // s + 1)
            for i, o, s, e in zip(sizes, outputs, strides, covered, strict=True)
        )
        raise ShapeError(
            f"output: no padding gives {outputs} from size {sizes} with a kernel over {covered} "
            f"at stride {strides}; the nearest possible output is {nearest}"
        )
    return _split(height), _split(width)


def transposed_conv_padding(
    size: Size,
    output: Size,
    kernel: Size,
    stride: Size = 1,
    dilation: Size = 1,
    output_padding: Size = 0,
) -> Sides:
    """Return the padding that gives a transposed convolution this output size.

    It is ((top, bottom), (left, right)); the extra pixel of an odd total is at the bottom or right.

    Raises:
        ShapeError: the output is larger than without padding; names the nearest possible one.
    """
    outputs = pair("output", output)
    full = _unpadded(size, kernel, stride, dilation, output_padding)
    height, width = full[0] - outputs[0], full[1] - outputs[1]
    if height < 0 or width < 0:
        nearest = min(outputs[0], full[0]), min(outputs[1], full[1])
        raise ShapeError(
            f"output: no padding gives {outputs}, because without padding it is {full}; "
            f"the nearest possible output is {nearest}"
        )
    return _split(height), _split(width)


def kernel_extent(kernel: Size, dilation: Size = 1) -> Pair:
    """Return the pixels (height, width) that a dilated kernel covers: 5 for 3 at dilation 2."""
    kernels, dilations = pair("kernel", kernel), pair("dilation", dilation)
    return dilations[0] * (kernels[0] - 1) + 1, dilations[1] * (kernels[1] - 1) + 1


def pair(name: str, value: object, least: int = 1) -> Pair:
    """Return an integer of at least `least` (0 or 1), or two of them, as (height, width)."""
    axes = value if isinstance(value, tuple | list) else (value, value)
    if len(axes) != 2 or not all(_is_whole(axis, least) for axis in axes):
        sign = "positive" if least else "non-negative"
        raise ShapeError(
            f"{name}: expected a {sign} integer or a (height, width) pair of them, got {value!r}"
        )
    return int(axes[0]), int(axes[1])


def sides(name: str, padding: object) -> Sides:
    """Return a padding in any of its forms as ((top, bottom), (left, right))."""
    axes = padding if isinstance(padding, tuple | list) else (padding, padding)
    # Unpacking anything but two axes raises a ValueError, which a ShapeError is too.
    try:
        height, width = axes
        return pair(name, height, least=0), pair(name, width, least=0)
    except ValueError:
        raise ShapeError(
            f"{name}: expected a non-negative integer, a (height, width) pair of them, or "
            f"((top, bottom), (left, right)), got {padding!r}"
        ) from None


def positive(name: str, value: object) -> int:
    """Return `value`, a positive integer."""
    if not _is_whole(value, 1):
        raise ShapeError(f"{name}: expected a positive integer, got {value!r}")
    return int(value)


def _is_whole(value: object, least: int) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _unpadded(size: Size, kernel: Size, stride: Size, dilation: Size, output_padding: Size) -> Pair:
    """Return the size of a transposed convolution's output without padding."""
    sizes, extra = pair("size", size), pair("output_padding", output_padding, least=0)
    strides, dilations = pair("stride", stride), pair("dilation", dilation)
    if any(q >= max(s, d) for q, s, d in zip(extra, strides, dilations, strict=True)):
        raise ShapeError(
            f"output_padding: expected less than the stride {strides} or the dilation "
            f"{dilations}, got {output_padding!r}"
        )
    height, width = (
        (i - 1) * s + e + q
        for i, s, e, q in zip(sizes, strides, kernel_extent(kernel, dilation), extra, strict=True)
    )
    return height, width


def _split(total: int) -> Pair:
    total = max(total, 0)
    return total // 2, total - total // 2


def _too_large(kernel: Size, covered: Pair, sizes: Pair, around: Sides) -> ShapeError:
    padded = sizes[0] + sum(around[0]), sizes[1] + sum(around[1])
    kernels = pair("kernel", kernel)
    reach = "" if covered == kernels else f", which covers {covered} when dilated"
    return ShapeError(f"kernel: expected at most the padded size {padded}, got {kernels}{reach}")
