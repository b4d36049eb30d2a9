"""Traced networks: rows, costs against torch's own counter, errors, and the network left alone."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.core.shapes import (
    Activation,
    Conv,
    Flatten,
    Input,
    Linear,
    Pool,
    ShapeError,
    TracedLayer,
    trace,
)
from fashion_cnn.models import vgg11
from fashion_cnn.models.lenet import LeNet
from fashion_cnn.models.vgg import VGG
from fashion_cnn.tracing import check_batch_of_one, trace_network

IMAGE_SIZES = (32, 56, 64, 96, 112, 224)
NETWORKS: list[tuple[str, Callable[..., nn.Module], dict[str, int]]] = [
    ("lenet", LeNet, {}),
    *((f"vgg/{divisor}", VGG, {"width_divisor": divisor}) for divisor in (1, 2, 4, 8, 16)),
    ("vgg11", vgg11.build, {}),
]
CASES = [
    pytest.param(build, {**given, "image_size": size}, id=f"{name}-{size}")
    for name, build, given in NETWORKS
    for size in (*((28,) if name == "lenet" else ()), *IMAGE_SIZES)
]


class Branched(nn.Module):
    """One ReLU used twice, an addition in place, a stem, a batch norm and an adaptive pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Dropout(0.5))
        self.after = nn.Conv2d(4, 4, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 1, height, width) -> (N, 3)."""
        x = self.relu(self.norm(self.stem(x)))
        y = self.branch(x)
        y += x
        logits: Tensor = self.fc(self.flatten(self.pool(self.after(self.relu(y)))))
        return logits


class MetaOnly(TorchDispatchMode):
    """Fails where an operation makes a tensor that takes memory."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let `func` run, and look at what it makes."""
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else (result,)
        for tensor in made:
            assert tensor.is_meta or func is torch.ops.aten.detach.default
        return result


@pytest.fixture
def lenet() -> nn.Module:
    return LeNet(image_size=28)


def total(rows: tuple[TracedLayer, ...], column: str) -> int:
    return sum(getattr(row, column) for row in rows)


@pytest.mark.parametrize(("build", "given"), CASES)
def test_costs_are_what_torch_counts(
    build: Callable[..., nn.Module], given: dict[str, int]
) -> None:
    size = given["image_size"]
    with torch.device("meta"):
        network = build(**given).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            logits = network(torch.empty(1, 1, size, size))
    rows = trace_network(network, (1, size, size))
    assert 2 * total(rows, "multiply_accumulates") == counter.get_total_flops()
    assert total(rows, "parameters") == sum(p.numel() for p in network.parameters())
    assert rows[-1].output_shape == logits.shape[1:] == (10,)


def test_lenet_in_full(lenet: nn.Module) -> None:
    rows = {row.name: row for row in trace_network(lenet, (1, 28, 28))}
    assert [row.output_shape for row in rows.values()] == [
        *[(6, 24, 24), (6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 8, 8), (16, 4, 4), (256,)],
        *[(120,), (120,), (84,), (84,), (10,)],
    ]
    assert rows["conv2"] == TracedLayer(
        name="conv2",
        kind="Conv2d",
        output_shape=(16, 8, 8),
        parameters=16 * 6 * 25 + 16,
        multiply_accumulates=16 * 6 * 25 * 64,
        activation_bytes=16 * 64 * 4,
        receptive_field=(14, 14),
    )
    assert rows["pool2"].receptive_field == (16, 16)
    assert rows["flatten"].receptive_field is rows["fc1"].receptive_field is None
    assert total(tuple(rows.values()), "parameters") == 44_426


def test_a_list_gives_what_its_module_does(lenet: nn.Module) -> None:
    layers = [
        *(Input(1, 28, name="image"), Conv(6, 5, name="conv1"), Activation(), Pool(2)),
        *(Conv(channels=16, kernel=5), Activation(), Pool(2), Flatten(), Linear(120)),
        *(Activation(), Linear(84), Activation(), Linear(features=10)),
    ]
    image, *rows = trace(layers)
    assert image == TracedLayer("image", "Input", (1, 28, 28), 0, 0, 28 * 28 * 4, (1, 1))
    for row, expected in zip(rows, trace_network(lenet, (1, 28, 28)), strict=True):
        assert row.output_shape == expected.output_shape
        assert row.parameters == expected.parameters
        assert row.multiply_accumulates == expected.multiply_accumulates
        assert row.activation_bytes == expected.activation_bytes
        assert row.receptive_field == expected.receptive_field
    assert [row.name for row in rows[:4]] == ["conv1", "activation2", "pool3", "conv4"]
    assert [row.kind for row in rows[:3]] == ["Conv", "Activation", "Pool"]


def test_vgg_blocks_at_224_pixels() -> None:
    with torch.device("meta"):
        rows = trace_network(VGG(image_size=224, width_divisor=1), (1, 224, 224))
    pools = [row.output_shape for row in rows if row.kind == "MaxPool2d"]
    assert pools == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert total(rows, "parameters") == 128_806_154


def test_modules_used_twice_and_branches() -> None:
    rows = trace_network(Branched(), (1, 9, 9))
    assert [(row.name, row.output_shape, row.receptive_field) for row in rows] == [
        ("stem", (4, 5, 5), (3, 3)),
        ("norm", (4, 5, 5), (3, 3)),
        ("relu", (4, 5, 5), (3, 3)),
        ("branch.0", (4, 5, 5), (7, 7)),
        ("branch.1", (4, 5, 5), (7, 7)),
        ("relu", (4, 5, 5), None),
        ("after", (4, 5, 5), None),
        ("pool", (4, 1, 1), None),
        ("flatten", (4,), None),
        ("fc", (3,), None),
    ]
    assert total(rows, "parameters") == sum(p.numel() for p in Branched().parameters())


def test_a_convolution_used_twice_costs_twice_and_has_its_parameters_once() -> None:
    conv = nn.Conv2d(2, 2, 3, padding=1)
    first, second = trace_network(nn.Sequential(conv, conv), (2, 5, 5))
    assert (first.name, second.name) == ("0", "0")
    assert (first.parameters, second.parameters) == (38, 0)
    assert first.multiply_accumulates == second.multiply_accumulates == 36 * 25
    assert (first.receptive_field, second.receptive_field) == ((3, 3), (5, 5))


@pytest.mark.parametrize(
    ("module", "output", "seen"),
    [
        (nn.Conv2d(2, 4, (3, 5), padding="same", dilation=(2, 1)), (4, 8, 8), (5, 5)),
        (nn.Conv2d(2, 4, 3, padding="valid"), (4, 6, 6), (3, 3)),
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), (4, 8, 8), (3, 3)),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (2, 4, 4), (3, 3)),
        (nn.MaxPool2d(2, return_indices=True), (2, 4, 4), (2, 2)),
        (nn.AvgPool2d((2, 1)), (2, 4, 8), (2, 1)),
        (nn.ZeroPad2d((1, 2, 3, 4)), (2, 15, 11), None),
        (nn.ConvTranspose2d(2, 4, 3), (4, 10, 10), (3, 3)),
        (nn.ConvTranspose2d(2, 4, 2, 2), (4, 16, 16), None),
        (nn.AdaptiveMaxPool2d((3, 2)), (2, 3, 2), None),
        (nn.GroupNorm(1, 2), (2, 8, 8), None),
        (nn.Unflatten(1, (1, 2)), (1, 2, 8, 8), None),
        (nn.Conv2d(2, 4, 3, dtype=torch.float64), (4, 6, 6), (3, 3)),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, nn.Module) else "",
)
def test_single_modules(
    module: nn.Module, output: tuple[int, ...], seen: tuple[int, int] | None
) -> None:
    (row,) = trace_network(module, (2, 8, 8))
    assert (row.name, row.output_shape, row.receptive_field) == ("", output, seen)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v3_small", "vit_b_16"])
def test_every_parameter_is_in_a_row(name: str) -> None:
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    rows = trace_network(network, (3, 224, 224))
    assert total(rows, "parameters") == sum(p.numel() for p in network.parameters())
    assert rows[-1].output_shape == (1000,)


def test_functions_count_where_they_run() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5, 2, 3, 3))
            self.attend = nn.MultiheadAttention(5, 1, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            pixels = nn.functional.conv2d(x, self.weight).flatten(2).transpose(1, 2)
            mixed: Tensor = self.attend(pixels, pixels, pixels)[0]
            return mixed

    attend, outside = trace_network(Functional(), (2, 6, 7))
    # 20 pixels of 5 channels go through four 5x5 projections and two products with one another.
    assert (attend.parameters, attend.multiply_accumulates) == (120, 20 * 100 + 2 * 20 * 20 * 5)
    assert (outside.kind, outside.parameters) == ("Functional", 90)
    assert outside.multiply_accumulates == 90 * 20


def test_a_fixed_kernel_counts_too() -> None:
    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Buffer(torch.ones(1, 1, 3, 3))
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            blurred: Tensor = nn.functional.conv2d(self.relu(x), self.get_buffer("kernel"))
            return blurred

    relu, blurred = trace_network(Blurred(), (1, 5, 5))
    assert (relu.multiply_accumulates, blurred.multiply_accumulates) == (0, 9 * 9)
    assert (blurred.kind, blurred.parameters) == ("Blurred", 0)


def test_a_forward_of_its_own_makes_another_layer() -> None:
    class SelfPadded(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))

    (row,) = trace_network(SelfPadded(2, 2, 3), (2, 2, 2))
    assert (row.output_shape, row.receptive_field) == ((2, 2, 2), None)
    assert (row.parameters, row.multiply_accumulates) == (38, 36 * 4)


def test_networks_are_traced_as_at_inference() -> None:
    class Cropped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[..., :3] if self.training else x[..., :1]

    (row,) = trace_network(Cropped().train(), (2, 4, 4))
    assert row.output_shape == (2, 4, 1)


def test_a_failure_that_its_caller_handles() -> None:
    class Either(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(2), nn.Conv2d(1, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.norm(x)
            except RuntimeError:
                return self.conv(x)

    assert [row.name for row in trace_network(Either(), (1, 5, 5))] == ["conv"]


def test_nothing_is_allocated(lenet: nn.Module) -> None:
    with MetaOnly():  # type: ignore[no-untyped-call]
        trace_network(lenet, (1, 28, 28))


def test_a_network_on_the_meta_device_gives_the_same_rows(lenet: nn.Module) -> None:
    on_meta = copy.deepcopy(lenet).to("meta")
    assert trace_network(on_meta, (1, 28, 28)) == trace_network(lenet, (1, 28, 28))


def test_tracing_works_in_inference_mode(lenet: nn.Module) -> None:
    with torch.inference_mode():
        rows = trace_network(lenet, (1, 28, 28))
    assert rows == trace_network(lenet, (1, 28, 28))


class Careless(nn.Module):
    """Counts its calls, keeps what it saw, and mixes in tensors that are no buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("offset", torch.ones(2, 1, 1), persistent=False)
        self.plain = torch.ones(2, 1, 1)
        self.calls = 0
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 2, height, width), shifted."""
        self.calls += 1
        self.kept = self.norm(x) + self.offset + self.plain + torch.zeros(2, 1, 1)
        if x.shape[-1] == 1:
            raise RuntimeError("one pixel is too few")
        return self.kept


@pytest.mark.parametrize("training", [True, False])
def test_the_module_is_left_as_it_was(training: bool) -> None:
    module = Careless().train(training)
    module.norm.train(not training)
    before = dict(vars(module.norm)), copy.deepcopy(module.state_dict())
    tensors = [id(tensor) for tensor in (*module.parameters(), *module.buffers())]
    trace_network(module, (2, 3, 3))
    with pytest.raises(ShapeError, match=r"^Careless: one pixel is too few"):
        trace_network(module, (2, 3, 1))
    assert (module.calls, module.kept) == (0, None)
    assert (module.training, module.norm.training) == (training, not training)
    assert [id(tensor) for tensor in (*module.parameters(), *module.buffers())] == tensors
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert vars(module.norm) == before[0]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[1][name])


class Viewed(nn.Module):
    """Flattens by `view`, for one input size only."""

    def __init__(self) -> None:
        super().__init__()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(256, 120)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 16, 8, 8) -> (N, 120)."""
        logits: Tensor = self.fc1(self.pool2(x).view(-1, 256))
        return logits


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (
            LeNet(image_size=28),
            (1, 32, 32),
            "fc1 (Linear): expected 256 input features, got 400: make it Linear(400, 120); "
            "its input has shape (400,)",
        ),
        (
            LeNet(image_size=28),
            (3, 28, 28),
            "conv1 (Conv2d): expected 1 input channels, got 3; its input has shape (3, 28, 28)",
        ),
        (
            LeNet(image_size=28),
            (1, 13, 28),
            "conv2 (Conv2d): kernel: expected at most the padded size (4, 12), got (5, 5); "
            "its input has shape (6, 4, 12)",
        ),
        (
            nn.Sequential(nn.Sequential(nn.Identity(), nn.MaxPool2d(2))),
            (5, 1, 1),
            "0.1 (MaxPool2d): kernel: expected at most the padded size (1, 1), got (2, 2); "
            "its input has shape (5, 1, 1)",
        ),
        (
            nn.Sequential(nn.BatchNorm2d(3)),
            (2, 4, 4),
            "0 (BatchNorm2d): running_mean should contain 2 elements not 3; "
            "its input has shape (2, 4, 4)",
        ),
        (
            nn.Sequential(nn.Linear(9, 2)),
            (2, 4, 4),
            "0 (Linear): expected a vector (features,): a Flatten belongs before this layer; "
            "its input has shape (2, 4, 4)",
        ),
        (
            nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(8, 8), nn.Linear(9, 2)),
            (2, 2, 2),
            "3 (Linear): expected 9 input features, got 8: make it Linear(8, 2); "
            "its input has shape (8,)",
        ),
        (
            nn.Sequential(nn.ConvTranspose2d(3, 2, 2)),
            (2, 4, 4),
            "0 (ConvTranspose2d): expected 3 input channels, got 2; its input has shape (2, 4, 4)",
        ),
        (
            Viewed(),
            (16, 10, 10),
            "Viewed: shape '[-1, 256]' is invalid for input of size 800, "
            "after pool2 (MaxPool2d) gave (16, 5, 5): x.flatten(1) gives 400 features per image",
        ),
    ],
)
def test_the_layer_that_fails_is_named(
    module: nn.Module, shape: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(ShapeError) as raised:
        trace_network(module, shape)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Conv2d(2, 2, 3, dilation=0), r"dilation: expected a positive .*got \(0, 0\)"),
        (nn.Conv2d(2, 2, 3, padding=-1), r"padding: expected a non-negative .*got \(-1, -1\)"),
        (nn.Conv2d(2, 2, 3, stride=0), r"stride: expected a positive .*got \(0, 0\)"),
        (nn.ConvTranspose2d(2, 2, 1, padding=2), r"padding: \(2, 2\) leaves nothing"),
        (nn.ConvTranspose2d(2, 2, 1, output_padding=1), "output_padding: expected less"),
        (nn.MaxPool2d(2, padding=2), "padding: expected at most half the kernel"),
        (nn.MaxPool2d(0), "kernel: expected a positive .*got 0"),
        (nn.PReLU(3), "Mismatch of parameter numbers"),
        (nn.PixelShuffle(3), "pixel_shuffle"),
        (nn.LSTM(4, 4), "Expected input to be 2D or 3D"),
    ],
)
def test_any_failure_is_a_shape_error(module: nn.Module, message: str) -> None:
    with pytest.raises(ShapeError, match=rf"^0 \({type(module).__name__}\): .*{message}"):
        trace_network(nn.Sequential(module), (2, 4, 4))


class Functional(nn.Module):
    """What a function does between the layers, and what comes of the last one."""

    def __init__(self, before: Callable[[Tensor], Tensor], width: int, after: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 1)
        self.fc = nn.Linear(width, 3)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Any:
        """Images (N, 2, height, width) -> whatever `after` makes of them."""
        return self.after(self.fc(self.before(self.conv(x))))


class Mixing(nn.Module):
    """Makes rows of 8 features of all images together, however many an image has."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 2, height, width) -> (N * 2 * height * width / 8, 3)."""
        logits: Tensor = self.fc(x.view(-1, 8))
        return logits


@pytest.mark.parametrize(
    ("module", "size", "message"),
    [
        (
            Mixing(),
            4,
            r"^fc \(Linear\): expected an input \(2, ...\) .* got \(8, 8\): keep images",
        ),
        (nn.Flatten(0), 4, r"^Flatten: expected an output \(2, ...\) for 2 images, got \(64,\): "),
        (nn.Sequential(nn.ReLU(), nn.Flatten(0, 1)), 4, r"^1 \(Flatten\): .* got \(4, 4, 4\)"),
        (
            nn.Sequential(nn.Conv2d(2, 5, 1), nn.ReLU(), nn.Linear(4, 3)),
            4,
            r"^2 \(Linear\): expected a vector .* Flatten .*; its input has shape \(5, 4, 4\)",
        ),
        (
            Functional(lambda x: F.max_pool2d(F.relu(x), 2), 2, lambda x: x.flatten(1)),
            4,
            r"^fc \(Linear\): expected a vector .* Flatten .*; its input has shape \(5, 2, 2\)",
        ),
        (
            Functional(lambda x: x.flatten(1), 80, lambda x: None),
            4,
            "^Functional: expected forward to return a tensor: does it end with a return",
        ),
        (
            Functional(lambda x: x.flatten(1).double(), 80, lambda x: x),
            4,
            r"^fc \(Linear\): expected an input of torch.float32, .* got torch.float64",
        ),
        (
            nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten(2), nn.TransformerEncoderLayer(16, 2, 8)),
            4,
            r"^2 \(Trans.* expected the sequence first, got \(2, 3, 16\) .* batch_first=True",
        ),
        (
            nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten(2), nn.GRU(16, 8)),
            4,
            r"^2 \(GRU\): expected the sequence first, got \(2, 3, 16\) .* batch_first=True",
        ),
    ],
)
def test_a_network_that_mixes_images_and_features(
    module: nn.Module, size: int, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        trace_network(module, (2, size, size))


def test_the_rows_before_a_fault_come_with_it() -> None:
    with pytest.raises(ShapeError) as raised:
        trace_network(LeNet(image_size=28), (1, 32, 32))
    assert [(row.name, row.output_shape) for row in raised.value.rows] == [
        *[("conv1", (6, 28, 28)), ("relu1", (6, 28, 28)), ("pool1", (6, 14, 14))],
        *[("conv2", (16, 10, 10)), ("relu2", (16, 10, 10)), ("pool2", (16, 5, 5))],
        ("flatten", (400,)),
    ]
    with pytest.raises(ShapeError) as described:
        LeNet(image_size=13)
    assert [row.output_shape for row in described.value.rows] == [(1, 13, 13), (6, 9, 9), (6, 4, 4)]


class Multiplied(nn.Module):
    """Multiplies by a weight of its own, for one input size only."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.weight = nn.Parameter(torch.ones(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 2, 4, 4) -> (N, 3)."""
        return self.pool(x).flatten(1) @ self.weight


def test_a_product_that_does_not_fit_says_what_it_gets() -> None:
    assert trace_network(Multiplied(), (2, 4, 4), 3)[-1].output_shape == (3,)
    with pytest.raises(ShapeError, match=r"reduction dim.* gives 18 features per image$"):
        trace_network(Multiplied(), (2, 6, 6))


def test_a_network_must_give_a_number_for_each_class() -> None:
    maps = nn.Conv2d(2, 10, 5)
    assert trace_network(maps, (2, 8, 8))
    with pytest.raises(ShapeError, match=r"expected 10 numbers .* got \(10, 4, 4\): end with"):
        trace_network(maps, (2, 8, 8), 10)
    both = Functional(lambda x: x.flatten(1), 80, lambda x: (x, x))
    with pytest.raises(ShapeError, match=r"return one tensor, .* got a tuple"):
        trace_network(both, (2, 4, 4), 3)


def test_channels_may_stand_last_before_a_linear_layer() -> None:
    channels_last = Functional(lambda x: x.permute(0, 2, 3, 1), 5, lambda x: x.mean((1, 2)))
    assert trace_network(channels_last, (2, 4, 4), 3)[-1].output_shape == (4, 4, 3)


def test_a_single_image_that_is_squeezed_away() -> None:
    squeezed = Functional(lambda x: x.mean((2, 3)), 5, torch.squeeze)
    assert trace_network(squeezed, (2, 4, 4), 3)
    with pytest.raises(ShapeError, match=r"expected an output \(1, ...\) for a single image, got"):
        check_batch_of_one(squeezed, (2, 4, 4))


def test_a_batch_of_one_that_batch_norm_refuses() -> None:
    head = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 5), nn.BatchNorm1d(5))
    assert trace_network(head, (1, 8, 8))[-1].output_shape == (5,)
    with pytest.raises(ShapeError, match=r"^3 \(BatchNorm1d\): Expected more than 1 value"):
        check_batch_of_one(head, (1, 8, 8), training=True)
    check_batch_of_one(head, (1, 8, 8))
    # Over 36 places, one image is enough.
    check_batch_of_one(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), (1, 8, 8), training=True
    )


def test_rows_of_one_image_do_not_mix() -> None:
    (row,) = trace_network(Mixing(), (2, 2, 2))
    assert row.output_shape == (3,)


def with_generator() -> nn.Module:
    module = nn.ReLU()
    vars(module)["pixels"] = (pixel for pixel in [0])
    return module


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_generator, "cannot pickle 'generator' object"),
        (lambda: torch.jit.trace(nn.ReLU(), torch.zeros(1)), "is one of torch.jit: build"),
        (lambda: torch.jit.script(nn.ReLU()), "is one of torch.jit: build"),
        (lambda: nn.LazyConv2d(4, 3), "it is a LazyConv2d, .*: build a Conv2d from"),
        (lambda: None, "no attribute"),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_a_module_that_cannot_be_traced(make: Callable[[], nn.Module], reason: str) -> None:
    with pytest.raises(ShapeError, match=f"^network: expected a module .*but .*{reason}"):
        trace_network(make(), (2, 4, 4))


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 28, 28.0, "1x28x28", (28, 28), (1, 1, 28, 28), (1, 28, 0), (1, -28, 28)),
        *((1, 28, 28.0), (1, 28, True), (1, (28, 28), 1), (1, 28, None), (float("nan"), 28, 28)),
    ],
)
def test_a_wrong_input_shape(lenet: nn.Module, wrong: Any) -> None:
    with pytest.raises(ShapeError, match=r"^input_shape: expected .*got"):
        trace_network(lenet, wrong)
