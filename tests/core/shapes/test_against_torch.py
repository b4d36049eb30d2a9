"""The arithmetic against torch's own layers: random ones, one by one and in stacks.

torch's layers run on the CPU here, with one channel and few pixels, because on the meta device
torch accepts arguments that it refuses elsewhere (a dilation of 0, say). Where both devices accept
a layer, they must agree.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.core.shapes import (
    Activation,
    Conv,
    Input,
    Layer,
    Pool,
    ReceptiveField,
    ShapeError,
    TransposedConv,
    conv_output,
    conv_padding,
    pool_output,
    trace,
    transposed_conv_output,
    transposed_conv_padding,
)
from fashion_cnn.tracing import trace_network

Size = int | tuple[int, int]
Outcome = tuple[int, ...] | None

# Hypothesis's profile says 100; that of tests/mutants.py less.
usual = settings().max_examples
many = settings(derandomize=True, max_examples=10 * usual, deadline=None)


def numbers(*usual: int, rare: tuple[int, ...] = ()) -> st.SearchStrategy[Size]:
    """An int or a pair, mostly of the usual numbers."""
    one = st.sampled_from([*usual * 6, *rare])
    return one | st.tuples(one, one)


sizes = numbers(*range(1, 13))
kernels = numbers(1, 2, 3, 4, 5, rare=(0, -1))
strides = numbers(1, 2, 3, rare=(0, -1))
paddings = numbers(0, 1, 2, 3, rare=(-1,))
dilations = numbers(1, 2, 3, rare=(0, -1))
extras = numbers(0, 1, 2, rare=(-1,))
sides = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)


def test_what_is_left_out_is_what_torch_takes() -> None:
    image, kernel = torch.ones(1, 1, 9, 9), torch.ones(1, 1, 3, 3)
    outputs = conv_output(9, 3), pool_output(9, 3), transposed_conv_output(9, 3)
    layers = F.conv2d(image, kernel), F.max_pool2d(image, 3), F.conv_transpose2d(image, kernel)
    assert outputs == tuple(layer.shape[2:] for layer in layers)
    unpadded = ((0, 0), (0, 0))
    assert conv_padding(9, outputs[0], 3) == transposed_conv_padding(9, outputs[2], 3) == unpadded


def pixels(size: Size, device: str = "cpu") -> Tensor:
    height, width = size if isinstance(size, tuple) else (size, size)
    return torch.zeros(1, 1, height, width, device=device)


def outcome(run: Callable[[], Any]) -> Outcome:
    """The output's size, None for an error or an empty result."""
    try:
        result = run()
    except (ShapeError, RuntimeError, ZeroDivisionError):
        return None
    size = tuple(result.shape[2:]) if isinstance(result, Tensor) else result
    return None if 0 in size else size


def check(ours: Callable[[], Any], module: Callable[[str], nn.Module], size: Size) -> None:
    """Compare with torch's layer, which `module` makes on a device."""
    expected = outcome(lambda: module("cpu")(pixels(size)))
    assert outcome(ours) == expected
    if expected is not None:
        assert outcome(lambda: module("meta")(pixels(size, "meta"))) == expected


@many
@given(size=sizes, kernel=kernels, stride=strides, padding=paddings, dilation=dilations)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_conv(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> None:
    def module(device: str) -> nn.Module:
        return nn.Conv2d(1, 1, kernel, stride, padding, dilation, device=device)

    check(lambda: conv_output(size, kernel, stride, padding, dilation), module, size)


@many
@given(
    size=sizes,
    kernel=kernels,
    stride=st.none() | strides,
    padding=paddings,
    dilation=dilations,
    ceil_mode=st.booleans(),
)
def test_max_pool(
    size: Size, kernel: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> None:
    def module(_: str) -> nn.Module:
        return nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)

    check(lambda: pool_output(size, kernel, stride, padding, dilation, ceil_mode), module, size)


@many
@given(
    size=sizes,
    kernel=kernels,
    stride=st.none() | strides,
    padding=paddings,
    ceil_mode=st.booleans(),
)
def test_average_pool(
    size: Size, kernel: Size, stride: Size | None, padding: Size, ceil_mode: bool
) -> None:
    def module(_: str) -> nn.Module:
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode)

    check(lambda: pool_output(size, kernel, stride, padding, ceil_mode=ceil_mode), module, size)


@many
@given(
    size=sizes,
    kernel=kernels,
    stride=strides,
    padding=paddings,
    dilation=dilations,
    output_padding=extras,
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_transposed_conv(
    size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size, output_padding: Size
) -> None:
    def module(device: str) -> nn.Module:
        return nn.ConvTranspose2d(
            *(1, 1, kernel, stride, padding),
            output_padding=output_padding,
            dilation=dilation,
            device=device,
        )

    check(
        lambda: transposed_conv_output(size, kernel, stride, padding, dilation, output_padding),
        module,
        size,
    )


@many
@given(size=sizes, kernel=kernels, stride=strides, padding=sides, dilation=dilations)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_asymmetric_padding(
    size: Size, kernel: Size, stride: Size, padding: Any, dilation: Size
) -> None:
    (top, bottom), (left, right) = padding

    def conv(device: str) -> nn.Module:
        unpadded = nn.Conv2d(1, 1, kernel, stride, 0, dilation, device=device)
        return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), unpadded)

    check(lambda: conv_output(size, kernel, stride, padding, dilation), conv, size)

    def cropped() -> Tensor:
        full = nn.ConvTranspose2d(1, 1, kernel, stride, dilation=dilation)(pixels(size))
        return F.pad(full, (-left, -right, -top, -bottom))

    assert outcome(
        lambda: transposed_conv_output(size, kernel, stride, padding, dilation)
    ) == outcome(cropped)


@many
@given(size=sizes, kernel=numbers(1, 2, 3, 4, 5), stride=strides, padding=sides)
def test_asymmetric_pool_padding(size: Size, kernel: Size, stride: Size, padding: Any) -> None:
    (top, bottom), (left, right) = padding
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    assume(max(top, bottom) <= height // 2)
    assume(max(left, right) <= width // 2)

    def module(_: str) -> nn.Module:
        return nn.Sequential(
            nn.ConstantPad2d((left, right, top, bottom), float("-inf")),
            nn.MaxPool2d(kernel, stride),
        )

    check(lambda: pool_output(size, kernel, stride, padding), module, size)


@many
@given(
    size=st.integers(1, 12),
    output=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_padding_gives_the_wanted_size(
    size: int, output: int, kernel: int, stride: int, dilation: int
) -> None:
    images, wanted = pixels(size, "meta"), (output, output)
    conv = nn.Conv2d(1, 1, kernel, stride, 0, dilation, device="meta")
    unpadded = outcome(lambda: conv(images))
    if unpadded is not None and unpadded[0] > output:
        with pytest.raises(ShapeError, match=re.escape(f"output is {unpadded}")):
            conv_padding(size, output, kernel, stride, dilation)
        return
    (top, bottom), (left, right) = conv_padding(size, output, kernel, stride, dilation)
    assert conv(F.pad(images, (left, right, top, bottom))).shape[2:] == wanted
    assert bottom - top in (0, 1)
    # One pixel less gives another size.
    fewer = F.pad(images, (left, right, top, bottom - 1))
    assert bottom == 0 or outcome(lambda: conv(fewer)) != wanted


@many
@given(
    size=st.integers(1, 6),
    output=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_padding_gives_the_wanted_transposed_size(
    size: int, output: int, kernel: int, stride: int, dilation: int
) -> None:
    conv = nn.ConvTranspose2d(1, 1, kernel, stride, dilation=dilation, device="meta")
    full = conv(pixels(size, "meta"))
    if full.shape[2] < output:
        with pytest.raises(ShapeError, match=re.escape(f"output is {tuple(full.shape[2:])}")):
            transposed_conv_padding(size, output, kernel, stride, dilation)
        return
    (top, bottom), (left, right) = transposed_conv_padding(size, output, kernel, stride, dilation)
    assert F.pad(full, (-left, -right, -top, -bottom)).shape[2:] == (output, output)
    assert bottom - top in (0, 1)


def described_with_modules(draw: st.DrawFn) -> tuple[Layer, Callable[[int], nn.Module]]:
    """A random layer, and a function that makes torch's own for a number of input channels."""
    kind = draw(st.sampled_from(["conv", "conv", "max", "average", "transposed", "relu"]))
    kernel = draw(numbers(1, 2, 3, 4))
    stride = draw(numbers(1, 1, 2))
    dilation = draw(numbers(1, 1, 2))
    padding = draw(numbers(0, 0, 1))
    channels, bias, ceil_mode = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.booleans())
    match kind:
        case "conv":
            return Conv(
                channels, kernel, stride, padding, dilation, bias=bias
            ), lambda given: nn.Conv2d(
                given, channels, kernel, stride, padding, dilation, bias=bias
            )
        case "transposed":
            extra = draw(numbers(0, 0, 1))
            return (
                TransposedConv(
                    *(channels, kernel, stride, padding, dilation),
                    bias=bias,
                    output_padding=extra,
                ),
                lambda given: nn.ConvTranspose2d(
                    *(given, channels, kernel, stride, padding, extra, 1, bias, dilation)
                ),
            )
        case "max":
            return Pool(kernel, stride, padding, dilation, ceil_mode), lambda _: nn.MaxPool2d(
                kernel, stride, padding, dilation, ceil_mode=ceil_mode
            )
        case "average":
            return Pool(kernel, padding=padding, ceil_mode=ceil_mode), lambda _: nn.AvgPool2d(
                kernel, padding=padding, ceil_mode=ceil_mode
            )
    return Activation(), lambda _: nn.ReLU(inplace=True)


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[Layer], nn.Sequential]:
    """Up to four random layers, as descriptions and as torch's modules."""
    layers, modules, channels = [], [], 2
    for _ in range(draw(st.integers(1, 4))):
        layer, module = described_with_modules(draw)
        layers.append(layer)
        modules.append(module(channels))
        channels = getattr(layer, "channels", channels)
    return layers, nn.Sequential(*modules)


@settings(many, max_examples=5 * usual)
@given(stack=stacks(), size=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_stacks(stack: tuple[list[Layer], nn.Sequential], size: tuple[int, int]) -> None:
    layers, network = stack
    shape = (2, *size)
    images, expected = torch.zeros(1, *shape), []
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        for module in network:
            try:
                images = module(images)
            except RuntimeError:
                break
            if 0 in images.shape:
                break
            expected.append(images.shape[1:])
    if len(expected) < len(network):
        wrong = len(expected)
        with pytest.raises(ShapeError, match=rf"^{wrong} \({type(network[wrong]).__name__}\): "):
            trace_network(network, shape)
        kind = type(layers[wrong]).__name__
        with pytest.raises(ShapeError, match=rf"^{kind.lower()}{wrong + 1} \({kind}\): "):
            trace([Input(2, size), *layers])
        return
    rows = trace_network(network, shape)
    described = trace([Input(2, size), *layers])[1:]
    assert [row.output_shape for row in rows] == expected
    assert 2 * sum(row.multiply_accumulates for row in rows) == counter.get_total_flops()
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in network.parameters())
    for ours, theirs in zip(described, rows, strict=True):
        assert ours.output_shape == theirs.output_shape
        assert ours.parameters == theirs.parameters
        assert ours.multiply_accumulates == theirs.multiply_accumulates
        assert ours.activation_bytes == theirs.activation_bytes
        assert ours.receptive_field == theirs.receptive_field


@st.composite
def looking(draw: st.DrawFn) -> tuple[list[Layer], nn.Sequential]:
    """Layers that pass a gradient on to every pixel that they look at."""
    layers: list[Layer] = []
    modules: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        kernel, stride = draw(numbers(1, 2, 3)), draw(numbers(1, 2))
        padding = draw(sides)
        dilation = draw(numbers(1, 2))
        (top, bottom), (left, right) = padding
        match draw(st.sampled_from(["conv", "pool", "transposed"])):
            case "conv":
                layers.append(Conv(1, kernel, stride, padding, dilation))
                modules.append(nn.ZeroPad2d((left, right, top, bottom)))
                modules.append(nn.Conv2d(1, 1, kernel, stride, 0, dilation))
            case "pool":
                layers.append(Pool(kernel, stride))
                modules.append(nn.AvgPool2d(kernel, stride))
            case "transposed":
                layers.append(TransposedConv(1, kernel, 1, 1, dilation))
                modules.append(nn.ConvTranspose2d(1, 1, kernel, 1, 1, dilation=dilation))
    return layers, nn.Sequential(*modules)


@settings(many, max_examples=3 * usual)
@given(stack=looking())
def test_a_receptive_field_is_where_the_gradient_arrives(
    stack: tuple[list[Layer], nn.Sequential],
) -> None:
    layers, network = stack
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    images = torch.zeros(1, 1, 61, 67, requires_grad=True)
    output = network(images)
    field: ReceptiveField | None = ReceptiveField()
    for layer in layers:
        field = field and field.grown(layer)
    assert field
    # A unit in the middle of the output and its neighbour, whose fields lie within the image.
    starts = []
    for step in (0, 1):
        unit = output.shape[2] // 2 + step, output.shape[3] // 2 + step
        (gradient,) = torch.autograd.grad(output[0, 0, *unit], images, retain_graph=True)
        places = gradient[0, 0].nonzero()
        starts.append(places.amin(dim=0))
        assert tuple((places.amax(dim=0) - starts[-1] + 1).tolist()) == field.size
    assert tuple((starts[1] - starts[0]).tolist()) == field.jump


def test_the_worked_example() -> None:
    digits = """
        0000000 0222000 0102000 0001010 0111100 0220000 0000000
        0000000 0121110 0210110 0000010 0202110 0020120 0000000
        0000000 0100110 0102010 0201210 0121220 0112000 0000000
    """
    images = torch.tensor([int(digit) for digit in re.findall(r"\d", digits)]).view(1, 3, 7, 7)
    kernels = torch.tensor(
        [
            [[-1, 1, 0], [0, -1, 0], [-1, -1, 1]],
            [[0, -1, -1], [-1, 1, 1], [-1, -1, 1]],
            [[-1, 1, 0], [0, 0, 1], [0, 0, -1]],
            [[0, -1, -1], [1, -1, 1], [1, 1, 1]],
            [[0, 0, 1], [0, 1, 1], [0, 1, 0]],
            [[0, 0, 0], [0, 0, 1], [0, 1, -1]],
        ]
    ).view(2, 3, 3, 3)
    maps = F.conv2d(images.float(), kernels.float(), torch.tensor([1.0, 0.0]), stride=2)[0]
    assert maps.tolist() == [
        [[0, -2, -1], [-4, 1, -2], [2, -4, 0]],
        [[7, 7, 3], [3, 4, 4], [1, 2, 2]],
    ]
    pooled = F.max_pool2d(maps[:1], 2, 1)
    assert pooled.tolist() == [[[1, 1], [2, 1]]]
    traced = trace([Input(3, 7), Conv(2, 3, 2), Pool(2, 1)])
    assert traced[1].output_shape == maps.shape == (2, 3, 3)
    assert traced[2].output_shape[1:] == pooled.shape[1:] == conv_output(3, 2)
