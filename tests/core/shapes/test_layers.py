"""Described layers, alone and in lists, and their receptive fields, against closed forms."""

import os
import subprocess
import sys

import pytest

from fashion_cnn.core.shapes import (
    Activation,
    Conv,
    Dropout,
    Flatten,
    Input,
    Layer,
    Linear,
    Pool,
    ReceptiveField,
    ShapeError,
    TracedLayer,
    TransposedConv,
    trace,
)
from tests.conftest import ROOT

IMAGE = (3, 12, 10)


def receptive_fields(layers: list[Layer]) -> list[ReceptiveField | None]:
    """The receptive field of each layer of a stack."""
    fields: list[ReceptiveField | None] = [ReceptiveField()]
    for layer in layers:
        fields.append(fields[-1] and fields[-1].grown(layer))
    return fields[1:]


@pytest.mark.parametrize(
    ("layer", "output", "parameters", "multiply_accumulates"),
    [
        (Conv(8, 3), (8, 10, 8), 3 * 8 * 9 + 8, 3 * 8 * 9 * 80),
        (Conv(8, (3, 1), (2, 1), bias=False), (8, 5, 10), 72, 72 * 50),
        (Conv(6, 3, padding=((0, 1), (2, 0)), groups=3), (6, 11, 10), 60, 54 * 110),
        (Conv(3, 3, dilation=2), (3, 8, 6), 84, 81 * 48),
        (TransposedConv(4, 2, 2), (4, 24, 20), 52, 48 * 120),
        (TransposedConv(4, 3, 2, 1, output_padding=(1, 0)), (4, 24, 19), 112, 108 * 120),
        (Pool(2), (3, 6, 5), 0, 0),
        (Pool(3, 2, 1), (3, 6, 5), 0, 0),
        (Pool(3, 2, ceil_mode=True), (3, 6, 5), 0, 0),
        (Activation(), IMAGE, 0, 0),
        (Dropout(), IMAGE, 0, 0),
        (Flatten(), (360,), 0, 0),
    ],
)
def test_a_layer_on_an_image(
    layer: Layer, output: tuple[int, ...], parameters: int, multiply_accumulates: int
) -> None:
    assert layer.output(IMAGE) == output
    assert layer.parameters(IMAGE) == parameters
    assert layer.multiply_accumulates(IMAGE) == multiply_accumulates


def test_a_linear_layer_on_a_vector() -> None:
    assert Linear(10).output((256,)) == (10,)
    assert Linear(10).parameters((256,)) == 2570
    assert Linear(10, bias=False).parameters((256,)) == 2560
    assert Linear(10).multiply_accumulates((256,)) == 2560


def test_descriptions_are_values() -> None:
    assert Conv(8, 3, name="first") == Conv(channels=8, kernel=3, name="first")
    assert Conv(8, 3) != Conv(8, 5)
    assert Activation() == Activation()
    assert Activation(name="relu") != Activation()
    with pytest.raises(AttributeError):
        Conv(8, 3).channels = 4  # type: ignore[misc]


def test_layers_of_single_pixels_look_at_one_pixel() -> None:
    assert receptive_fields([Input(1, 28), Activation(), Dropout()]) == [ReceptiveField()] * 3
    assert ReceptiveField() == ReceptiveField((1, 1), (1, 1))


@pytest.mark.parametrize("dilation", [1, 2, 24])
def test_a_dilated_kernel_alone(dilation: int) -> None:
    covered = 2 * dilation + 1
    (seen,) = receptive_fields([Conv(1, 3, dilation=dilation)])
    assert seen == ReceptiveField((covered, covered), (1, 1))


def test_doubling_dilations_grow_exponentially_and_equal_ones_linearly() -> None:
    doubling = receptive_fields([Conv(1, 3, dilation=2**n) for n in range(6)])
    equal = receptive_fields([Conv(1, 3, dilation=2) for _ in range(6)])
    assert [seen and seen.size[0] for seen in doubling] == [3, 7, 15, 31, 63, 127]
    assert [seen and seen.size[0] for seen in equal] == [5, 9, 13, 17, 21, 25]


def test_lenet() -> None:
    layers = [Input(1, 28), Conv(6, 5), Activation(), Pool(2), Conv(16, 5), Pool(2), Flatten()]
    assert receptive_fields(layers) == [
        ReceptiveField(),
        ReceptiveField((5, 5), (1, 1)),
        ReceptiveField((5, 5), (1, 1)),
        ReceptiveField((6, 6), (2, 2)),
        ReceptiveField((14, 14), (2, 2)),
        ReceptiveField((16, 16), (4, 4)),
        None,
    ]


def test_vgg_11() -> None:
    block: list[Layer] = [Conv(1, 3, padding=1), Pool(2)]
    double = [Conv(1, 3, padding=1), *block]
    fields = receptive_fields([*block, *block, *double, *double, *double])
    assert fields[-1] == ReceptiveField((150, 150), (32, 32))


def test_each_axis_has_its_own_field() -> None:
    layers = [Conv(1, (3, 1), (2, 1), ((1, 5), (0, 0))), Pool((1, 2), (1, 3), (0, 1), (1, 2))]
    assert receptive_fields(layers) == [
        ReceptiveField((3, 1), (2, 1)),
        ReceptiveField((3, 3), (2, 3)),
    ]


def test_a_transposed_convolution_at_stride_1_is_a_convolution() -> None:
    (field,) = receptive_fields([TransposedConv(1, 3, padding=(1, 0), dilation=2)])
    assert field == ReceptiveField((5, 5), (1, 1))


@pytest.mark.parametrize("layer", [Flatten(), Linear(3), TransposedConv(1, 2, stride=(1, 2))])
def test_no_field_from_here_on(layer: Layer) -> None:
    assert receptive_fields([Conv(1, 3), layer, Activation()])[1:] == [None, None]


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv(0, 3), IMAGE, "channels: expected a positive integer, got 0"),
        (Conv("8", 3), IMAGE, "channels: expected a positive integer, got '8'"),  # type: ignore[arg-type]
        (Conv(8, 3, groups=2), IMAGE, "groups: expected a divisor of the 3 input"),
        (Conv(8, 3, groups=3), IMAGE, "groups: expected a divisor of the 3 input"),
        (Conv(8, 3, groups=0), IMAGE, "groups: expected a positive integer, got 0"),
        (Conv(8, 3), (360,), "expected an image"),
        (Pool(2), (360,), "expected an image"),
        (Conv(8, 3, padding=-1), IMAGE, "padding: expected a non-negative integer"),
        (Linear(10), IMAGE, "Flatten belongs before"),
        (Linear(True), (360,), "features: expected a positive integer, got True"),
        (Input(1, 28), IMAGE, "expected the input first"),
        (Input(1.0, 28), (), "channels: expected a positive integer, got 1.0"),  # type: ignore[arg-type]
        (Input(1, (28, 0)), (), r"size: expected a positive integer .*got \(28, 0\)"),
    ],
)
def test_wrong_arguments_are_named(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer.output(shape)


def test_costs_name_a_wrong_argument_too() -> None:
    with pytest.raises(ShapeError, match="features: expected a positive integer, got 0"):
        Linear(0).multiply_accumulates((360,))


def test_a_row_holds_what_a_layer_gives_and_costs() -> None:
    image, conv = trace([Input(3, (12, 10), name="image"), Conv(8, 3, stride=2, kind="Conv2d")])
    assert image == TracedLayer("image", "Input", IMAGE, 0, 0, 4 * 3 * 12 * 10, (1, 1))
    assert conv == TracedLayer(
        name="conv2d1",
        kind="Conv2d",
        output_shape=(8, 5, 4),
        parameters=3 * 8 * 9 + 8,
        multiply_accumulates=3 * 8 * 9 * 20,
        activation_bytes=4 * 8 * 20,
        receptive_field=(3, 3),
    )


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (None, "^layers: expected a list of layers, an Input first, got None"),
        ([], r"^layers: .*got \[\]"),
        ("lenet", "^layers: .*got 'lenet'"),
        ([Conv(6, 5)], "^layers: .*an Input first"),
        ([Input(1, 28), 3], r"^layers\[1\]: expected a layer's description, got 3"),
        ([Input(1, 28), Input(1, 28)], r"^input1 \(Input\): expected the input first"),
        ([Input(1, 0)], r"^input0 \(Input\): size: expected a positive"),
        ([Input(1, 28), Conv(6, 0)], r"^conv1 \(Conv\): kernel: expected a positive .*got 0"),
        (
            [Input(1, 28), Pool(2.0, name="half", kind="MaxPool2d")],  # type: ignore[arg-type]
            r"^half \(MaxPool2d\): kernel: expected .*got 2.0",
        ),
        (
            [Input(1, 4), Pool(2), Conv(6, 3)],
            r"^conv2 \(Conv\): kernel: .*\(2, 2\), got \(3, 3\); its input has shape \(1, 2, 2\)",
        ),
        ([Input(1, 4), Linear(3)], r"^linear1 \(Linear\): .*Flatten .*shape \(1, 4, 4\)"),
        ([Input(1, 4), Flatten(), Pool(2)], r"^pool2 \(Pool\): expected an image .*\(16,\)"),
    ],
)
def test_a_list_that_does_not_fit_names_the_layer(layers: list[Layer], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        trace(layers)


def test_the_arithmetic_needs_neither_torch_nor_the_tracer_of_modules() -> None:
    """The training stages depend on shapes/ alone, so that no other change retrains them."""
    heavy = "{'torch', 'fashion_cnn.tracing'}"
    code = f"import sys, fashion_cnn.core.shapes; print({heavy} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
