"""Sizes and paddings against the specification's numbers and against each other."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.shapes import (
    ShapeError,
    conv_output,
    conv_padding,
    pool_output,
    transposed_conv_output,
    transposed_conv_padding,
)
from fashion_cnn.core.shapes.arithmetic import kernel_extent

FUNCTIONS: dict[Callable[..., Any], dict[str, Any]] = {
    conv_output: {"size": 9, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1},
    pool_output: {"size": 9, "kernel": 3, "stride": 2, "padding": 1, "dilation": 1},
    transposed_conv_output: {
        **{"size": 9, "kernel": 3, "stride": 2},
        **{"padding": 1, "dilation": 1, "output_padding": 1},
    },
    conv_padding: {"size": 9, "output": 9, "kernel": 3, "stride": 1, "dilation": 1},
    transposed_conv_padding: {
        **{"size": 9, "output": 18, "kernel": 3},
        **{"stride": 2, "dilation": 1, "output_padding": 1},
    },
}
ARGUMENTS = [(function, name) for function, given in FUNCTIONS.items() for name in given]
MAY_BE_ZERO = {"padding", "output_padding"}


def test_lenet_from_28_pixels() -> None:
    sizes = [conv_output(28, 5)]
    sizes.append(pool_output(sizes[-1], 2))
    sizes.append(conv_output(sizes[-1], 5))
    sizes.append(pool_output(sizes[-1], 2))
    assert sizes == [(24, 24), (12, 12), (8, 8), (4, 4)]


def test_vgg_halves_224_pixels_five_times() -> None:
    sizes = [(224, 224)]
    for _ in range(5):
        sizes.append(pool_output(conv_output(sizes[-1], 3, padding=1), 2, 2))
    assert sizes[1:] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]


def test_the_axes_are_height_then_width() -> None:
    assert conv_output((7, 9), (3, 1), (1, 2), (1, 0), (2, 1)) == (5, 5)
    assert pool_output((7, 9), (3, 1), (1, 2), (1, 0), (2, 1)) == (5, 5)
    assert transposed_conv_output((7, 9), (3, 1), (1, 2), (1, 0), (2, 1), (1, 0)) == (10, 17)
    assert conv_output(5, 2, padding=((1, 2), (3, 4))) == (7, 11)
    assert conv_output(5, 2, padding=(1, (3, 4))) == (6, 11)


@pytest.mark.parametrize("dilation", [1, 2, 3, 24])
def test_a_dilated_3x3_kernel_covers_2d_plus_1(dilation: int) -> None:
    covered = 2 * dilation + 1
    assert kernel_extent(3, dilation) == (covered, covered)
    assert conv_output(covered, 3, dilation=dilation) == (1, 1)


def test_ceil_mode_keeps_a_last_window_that_starts_inside() -> None:
    assert pool_output(6, 3, 2) == (2, 2)
    assert pool_output(6, 3, 2, ceil_mode=True) == (3, 3)
    # The second window would start at pixel 3, past the end.
    assert pool_output(3, 1, 3, ceil_mode=True) == (1, 1)
    # A window larger than the input starts inside it.
    assert pool_output(2, 3, 2, ceil_mode=True) == (1, 1)


def test_paddings_that_give_a_wanted_size() -> None:
    assert conv_padding(28, 28, 5) == ((2, 2), (2, 2))
    assert conv_padding(28, 28, (4, 3), dilation=(1, 2)) == ((1, 2), (2, 2))
    assert transposed_conv_padding(14, 28, 4, 2) == ((1, 1), (1, 1))
    # The total is 3: not halved twice.
    assert transposed_conv_padding(3, 4, 3, 2) == ((1, 2), (1, 2))


def test_a_slightly_negative_total_needs_no_padding() -> None:
    # The formula's P is -1, but the stride skips the last row of 8 anyway.
    assert conv_padding(8, 3, 3, 2) == ((0, 0), (0, 0))
    assert conv_output(8, 3, 2) == (3, 3)


SMALL = list(product(range(1, 9), range(1, 9), range(1, 5), range(1, 4), range(1, 4)))


def test_every_padding_gives_its_output() -> None:
    for size, output, kernel, stride, dilation in SMALL:
        total = (output - 1) * stride - size + dilation * (kernel - 1) + 1
        try:
            (before, after), _ = padding = conv_padding(size, output, kernel, stride, dilation)
        except ShapeError:
            # Without padding, the output is already larger.
            assert conv_output(size, kernel, stride, 0, dilation)[0] > output
            continue
        assert conv_output(size, kernel, stride, padding, dilation) == (output, output)
        assert (before, after) == (max(total, 0) // 2, max(total, 0) - max(total, 0) // 2)


def test_every_transposed_padding_gives_its_output() -> None:
    for size, output, kernel, stride, dilation in SMALL:
        for extra in range(max(stride, dilation)):
            largest = transposed_conv_output(size, kernel, stride, 0, dilation, extra)[0]
            if output > largest:
                with pytest.raises(ShapeError, match=rf"output is \({largest}, {largest}\)"):
                    transposed_conv_padding(size, output, kernel, stride, dilation, extra)
                continue
            padding = transposed_conv_padding(size, output, kernel, stride, dilation, extra)
            assert transposed_conv_output(size, kernel, stride, padding, dilation, extra) == (
                output,
                output,
            )
            assert padding[0] == ((largest - output) // 2, (largest - output + 1) // 2)


def test_an_impossible_output_names_the_nearest() -> None:
    with pytest.raises(ShapeError, match=r"output: .*\(5, 30\).*the nearest .* \(24, 30\)$"):
        conv_padding(28, (5, 30), 5)
    assert conv_output(28, 5, padding=conv_padding(28, (24, 30), 5)) == (24, 30)
    with pytest.raises(ShapeError, match=r"the nearest .* \(13, 13\)$"):
        conv_padding(28, 12, 3, 2)
    assert conv_padding(28, 13, 3, 2) == ((0, 0), (0, 0))
    with pytest.raises(ShapeError, match=r"output: .*\(10, 3\).*the nearest .* \(9, 3\)$"):
        transposed_conv_padding(4, (10, 3), 3, 2)


def test_a_kernel_larger_than_its_padded_input() -> None:
    with pytest.raises(ShapeError, match=r"kernel: .*padded size \(4, 9\), got \(5, 5\)$"):
        conv_output((2, 7), 5, padding=1)
    with pytest.raises(ShapeError, match=r"got \(3, 3\), which covers \(7, 7\) when dilated"):
        conv_output(6, 3, dilation=3)
    with pytest.raises(ShapeError, match=r"kernel: .*padded size \(1, 1\), got \(2, 2\)"):
        pool_output(1, 2)


def test_a_pooling_is_padded_by_half_its_kernel_at_most() -> None:
    assert pool_output(9, 4, 1, 2) == (10, 10)
    for padding in (3, ((2, 3), (2, 2))):
        with pytest.raises(ShapeError, match=r"padding: .*half the kernel \(4, 4\).*got"):
            pool_output(9, 4, 1, padding, dilation=2)


def test_output_padding_stays_below_stride_or_dilation() -> None:
    assert transposed_conv_output(4, 3, 1, 0, 2, 1) == (9, 9)
    with pytest.raises(ShapeError, match=r"output_padding: .*stride \(2, 2\).*got 2"):
        transposed_conv_output(4, 3, 2, output_padding=2)


def test_padding_may_not_remove_the_whole_transposed_output() -> None:
    with pytest.raises(ShapeError, match=r"padding: 2 leaves nothing .*\(3, 3\)"):
        transposed_conv_output(1, 3, padding=2)


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
@pytest.mark.parametrize(
    "wrong",
    [
        *(0, -1, 2.0, float("nan"), float("inf"), True, False, "3", b"3", {}, {1, 2}, 1j),
        *((), (3,), (3, 3, 3), (3, 0), (3, -1), (3, 2.0), (True, 3), (3, None), ("3", "3")),
        *(((1, 1), (1, 1), (1, 1)), ((1, 1), (1, 1, 1)), ((1, 1), (1, -1)), [3], [[[3]]]),
    ],
)
def test_wrong_arguments_are_named(function: Callable[..., Any], name: str, wrong: Any) -> None:
    if name in MAY_BE_ZERO and wrong in (0, (3, 0)) and wrong is not False:
        return
    with pytest.raises(ShapeError, match=rf"^{name}: expected .*got ") as raised:
        function(**{**FUNCTIONS[function], name: wrong})
    assert repr(wrong) in str(raised.value)
    assert isinstance(raised.value, InputError)


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_only_a_pooling_stride_may_be_none(function: Callable[..., Any], name: str) -> None:
    given = {**FUNCTIONS[function], name: None}
    if (function, name) == (pool_output, "stride"):
        assert pool_output(**given) == (3, 3)
        return
    with pytest.raises(ShapeError, match=rf"^{name}: expected .*got None"):
        function(**given)


@pytest.mark.parametrize("wrong", [((1, 1), (1, 1)), ((1, 1), 1)])
def test_only_padding_has_sides(wrong: Any) -> None:
    for function, name in ARGUMENTS:
        if name != "padding":
            with pytest.raises(ShapeError, match=f"^{name}: "):
                function(**{**FUNCTIONS[function], name: wrong})
