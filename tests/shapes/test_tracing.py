"""Traced networks: rows, costs against torch's own counter, errors, and what is left behind."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.models import vgg11
from fashion_cnn.models.lenet import LeNet
from fashion_cnn.models.vgg import VGG
from fashion_cnn.shapes import (
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
    rows = trace(network, (1, size, size))
    assert 2 * total(rows, "multiply_accumulates") == counter.get_total_flops()
    assert total(rows, "parameters") == sum(p.numel() for p in network.parameters())
    assert rows[-1].output_shape == logits.shape[1:] == (10,)


def test_lenet_in_full(lenet: nn.Module) -> None:
    rows = {row.name: row for row in trace(lenet, (1, 28, 28))}
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
    for row, expected in zip(rows, trace(lenet, (1, 28, 28)), strict=True):
        assert row.output_shape == expected.output_shape
        assert row.parameters == expected.parameters
        assert row.multiply_accumulates == expected.multiply_accumulates
        assert row.activation_bytes == expected.activation_bytes
        assert row.receptive_field == expected.receptive_field
    assert [row.name for row in rows[:4]] == ["conv1", "activation2", "pool3", "conv4"]
    assert [row.kind for row in rows[:3]] == ["Conv", "Activation", "Pool"]


def test_vgg_blocks_at_224_pixels() -> None:
    with torch.device("meta"):
        rows = trace(VGG(image_size=224, width_divisor=1), (1, 224, 224))
    pools = [row.output_shape for row in rows if row.kind == "MaxPool2d"]
    assert pools == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert total(rows, "parameters") == 128_806_154


def test_element_bytes_scale_activations(lenet: nn.Module) -> None:
    half = trace(lenet, (1, 28, 28), element_bytes=2)
    assert half[0].activation_bytes == 6 * 24 * 24 * 2
    assert trace([Input(1, 28)], element_bytes=1)[0].activation_bytes == 784


def test_modules_used_twice_and_branches() -> None:
    rows = trace(Branched(), (1, 9, 9))
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


def test_a_convolution_used_twice_is_paid_twice_and_held_once() -> None:
    conv = nn.Conv2d(2, 2, 3, padding=1)
    first, second = trace(nn.Sequential(conv, conv), (2, 5, 5))
    assert (first.name, second.name) == ("0", "0")
    assert (first.parameters, second.parameters) == (38, 0)
    assert first.multiply_accumulates == second.multiply_accumulates == 36 * 25
    assert (first.receptive_field, second.receptive_field) == ((3, 3), (5, 5))


@pytest.mark.parametrize(
    ("module", "output", "seen"),
    [
        (nn.Conv2d(2, 4, (3, 4), padding="same", dilation=(2, 1)), (4, 8, 8), (5, 4)),
        (nn.Conv2d(2, 4, 3, padding="valid", stride=(1,)), (4, 6, 6), (3, 3)),  # type: ignore[arg-type]
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), (4, 8, 8), (3, 3)),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (2, 4, 4), (3, 3)),
        (nn.MaxPool2d(2, return_indices=True), (2, 4, 4), (2, 2)),
        (nn.AvgPool2d((2, 1)), (2, 4, 8), (2, 1)),
        (nn.ZeroPad2d((1, 2, 3, 4)), (2, 15, 11), (1, 1)),
        (nn.ZeroPad2d(-1), (2, 6, 6), None),
        (nn.ConvTranspose2d(2, 4, 3), (4, 10, 10), (3, 3)),
        (nn.ConvTranspose2d(2, 4, 2, 2), (4, 16, 16), None),
        (nn.AdaptiveMaxPool2d((3, 2)), (2, 3, 2), None),
        (nn.GroupNorm(1, 2), (2, 8, 8), None),
        (nn.Unflatten(1, (1, 2)), (1, 2, 8, 8), None),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3)), (4, 6, 6), (3, 3)),
        (nn.LazyConv2d(4, 3), (4, 6, 6), (3, 3)),
        (nn.Conv2d(2, 4, 3, dtype=torch.float64), (4, 6, 6), (3, 3)),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, nn.Module) else "",
)
def test_single_modules(
    module: nn.Module, output: tuple[int, ...], seen: tuple[int, int] | None
) -> None:
    (row,) = trace(module, (2, 8, 8))
    assert (row.name, row.output_shape, row.receptive_field) == ("", output, seen)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v3_small", "vit_b_16"])
def test_every_parameter_is_in_a_row(name: str) -> None:
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    rows = trace(network, (3, 224, 224))
    assert total(rows, "parameters") == sum(p.numel() for p in network.parameters())
    assert rows[-1].output_shape == (1000,)


def test_functions_count_where_they_run() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5, 2, 3, 3))
            self.attend = nn.MultiheadAttention(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            pixels = nn.functional.conv2d(x, self.weight).flatten(2).permute(2, 0, 1)
            mixed: Tensor = self.attend(pixels, pixels, pixels)[0]
            return mixed

    attend, outside = trace(Functional(), (2, 6, 7))
    # 20 pixels of 5 channels through four 5x5 projections.
    assert (attend.parameters, attend.multiply_accumulates) == (120, 20 * 100)
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

    relu, blurred = trace(Blurred(), (1, 5, 5))
    assert (relu.multiply_accumulates, blurred.multiply_accumulates) == (0, 9 * 9)
    assert (blurred.kind, blurred.parameters) == ("Blurred", 0)


def test_a_forward_of_its_own_makes_another_layer() -> None:
    class SelfPadded(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))

    (row,) = trace(SelfPadded(2, 2, 3), (2, 2, 2))
    assert (row.output_shape, row.receptive_field) == ((2, 2, 2), None)
    assert (row.parameters, row.multiply_accumulates) == (38, 36 * 4)


def test_networks_are_traced_as_at_inference() -> None:
    # In training, a batch norm refuses a single value.
    (row,) = trace(nn.BatchNorm2d(2).train(), (2, 1, 1))
    assert row.output_shape == (2, 1, 1)


def test_a_failure_that_its_caller_handles() -> None:
    class Either(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Conv2d(1, 1, 9), nn.Conv2d(1, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.wide(x)
            except RuntimeError:
                return self.narrow(x)

    assert [row.name for row in trace(Either(), (1, 5, 5))] == ["narrow"]


def test_functions_of_one_value_leave_the_receptive_field() -> None:
    class Functional(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            first, relu, second, third = self
            y = second(nn.functional.relu(relu(first(x)).mul_(2) + 1, inplace=True))
            summed: Tensor = third(y + y)
            return summed

    class Swish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sigmoid()

    convs = [nn.Conv2d(1, 1, 3) for _ in range(3)]
    rows = trace(Functional(convs[0], Swish(), *convs[1:]), (1, 9, 9))
    assert [row.receptive_field for row in rows] == [(3, 3), (3, 3), (5, 5), None]


def test_nothing_is_allocated(lenet: nn.Module) -> None:
    with MetaOnly():  # type: ignore[no-untyped-call]
        trace(lenet, (1, 28, 28))


def test_a_network_on_the_meta_device_is_traced_alike(lenet: nn.Module) -> None:
    on_meta = copy.deepcopy(lenet).to("meta")
    assert trace(on_meta, (1, 28, 28)) == trace(lenet, (1, 28, 28))


def test_tracing_works_in_inference_mode(lenet: nn.Module) -> None:
    with torch.inference_mode():
        rows = trace(lenet, (1, 28, 28))
    assert rows == trace(lenet, (1, 28, 28))


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
    trace(module, (2, 3, 3))
    with pytest.raises(ShapeError, match=r"^Careless: one pixel is too few"):
        trace(module, (2, 3, 1))
    assert (module.calls, module.kept) == (0, None)
    assert (module.training, module.norm.training) == (training, not training)
    assert [id(tensor) for tensor in (*module.parameters(), *module.buffers())] == tensors
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert vars(module.norm) == before[0]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[1][name])


def test_a_lazy_module_stays_lazy() -> None:
    module = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5)
    )
    conv, norm, _, linear = trace(module, (2, 8, 8))
    assert (conv.kind, conv.parameters) == ("Conv2d", 76)
    assert (norm.kind, norm.parameters) == ("BatchNorm2d", 8)
    assert (linear.kind, linear.parameters) == ("Linear", 725)
    assert isinstance(module[0], nn.LazyConv2d)
    assert isinstance(module[0].weight, nn.UninitializedParameter)


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
            "fc1 (Linear): expected 256 input features, got 400 from an input of shape (16, 5, 5)",
        ),
        (
            LeNet(image_size=28),
            (3, 28, 28),
            "conv1 (Conv2d): expected 1 input channels, got 3 from an input of shape (3, 28, 28)",
        ),
        (
            LeNet(image_size=28),
            (1, 13, 28),
            "conv2 (Conv2d): kernel: expected at most the padded size (4, 12), got (5, 5) "
            "from an input of shape (6, 4, 12)",
        ),
        (
            nn.Sequential(nn.Sequential(nn.Identity(), nn.MaxPool2d(2))),
            (5, 1, 1),
            "0.1 (MaxPool2d): kernel: expected at most the padded size (1, 1), got (2, 2) "
            "from an input of shape (5, 1, 1)",
        ),
        (
            nn.Sequential(nn.BatchNorm2d(3)),
            (2, 4, 4),
            "0 (BatchNorm2d): expected 3 channels, got 2 from an input of shape (2, 4, 4)",
        ),
        (
            nn.Sequential(nn.Linear(9, 2)),
            (2, 4, 4),
            "0 (Linear): expected 9 input features, got 4 from an input of shape (2, 4, 4)",
        ),
        (
            nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(8, 8), nn.Linear(9, 2)),
            (2, 2, 2),
            "3 (Linear): expected 9 input features, got 8 from an input of shape (8,)",
        ),
        (
            nn.Sequential(nn.ConvTranspose2d(3, 2, 2)),
            (2, 4, 4),
            "0 (ConvTranspose2d): expected 3 input channels, got 2 "
            "from an input of shape (2, 4, 4)",
        ),
        (
            Viewed(),
            (16, 10, 10),
            "Viewed: shape '[-1, 256]' is invalid for input of size 400, "
            "after pool2 (MaxPool2d) gave (16, 5, 5)",
        ),
    ],
)
def test_the_layer_that_fails_is_named(
    module: nn.Module, shape: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(ShapeError) as raised:
        trace(module, shape)
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
        (nn.MaxPool2d(0), r"kernel: expected a positive .*got \(0, 0\)"),
        (nn.PReLU(3), "Mismatch of parameter numbers"),
        (nn.PixelShuffle(3), "pixel_shuffle"),
        (nn.LSTM(4, 4), "Expected input to be 2D or 3D"),
    ],
)
def test_whatever_fails_is_a_shape_error(module: nn.Module, message: str) -> None:
    with pytest.raises(ShapeError, match=rf"^0 \({type(module).__name__}\): .*{message}"):
        trace(nn.Sequential(module), (2, 4, 4))


def test_a_module_that_cannot_be_copied() -> None:
    module = nn.ReLU()
    vars(module)["pixels"] = (pixel for pixel in [0])
    with pytest.raises(
        ShapeError, match=r"^network: expected a module that can be copied, got ReLU"
    ):
        trace(module, (2, 4, 4))


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 28, 28.0, "1x28x28", (28, 28), (1, 1, 28, 28), (1, 28, 0), (1, -28, 28)),
        *((1, 28, 28.0), (1, 28, True), (1, (28, 28), 1), (1, 28, None), (float("nan"), 28, 28)),
    ],
)
def test_a_wrong_input_shape(lenet: nn.Module, wrong: Any) -> None:
    with pytest.raises(ShapeError, match=r"^input_shape: expected .*got"):
        trace(lenet, wrong)


@pytest.mark.parametrize("wrong", [0, -4, 4.0, True, None, "4"])
def test_wrong_element_bytes(lenet: nn.Module, wrong: Any) -> None:
    with pytest.raises(ShapeError, match=r"^element_bytes: expected a positive integer, got"):
        trace(lenet, (1, 28, 28), element_bytes=wrong)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (None, "^network: expected a module or a list of layers, an Input first, got None"),
        ([], r"^network: .*got \[\]"),
        ("lenet", "^network: .*got 'lenet'"),
        (LeNet, "^network: .*got <class"),
        ([Conv(6, 5)], "^network: .*an Input first"),
        ([Input(1, 28), nn.ReLU()], r"^layers\[1\]: expected a layer's description, got ReLU\(\)"),
        ([Input(1, 28), Input(1, 28)], r"^input1 \(Input\): expected the input first"),
        ([Input(1, 0)], r"^input0 \(Input\): size: expected a positive"),
        ([Input(1, 28), Conv(6, 0)], r"^conv1 \(Conv\): kernel: expected a positive .*got 0"),
        (
            [Input(1, 4), Pool(2), Conv(6, 3)],
            r"^conv2 \(Conv\): kernel: .*\(2, 2\), got \(3, 3\) from an input of shape \(1, 2, 2\)",
        ),
        ([Input(1, 4), Linear(3)], r"^linear1 \(Linear\): .*Flatten .*shape \(1, 4, 4\)"),
        ([Input(1, 4), Flatten(), Pool(2)], r"^pool2 \(Pool\): expected an image .*\(16,\)"),
    ],
)
def test_a_wrong_network(network: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        trace(network)


def test_a_list_says_its_own_input_shape() -> None:
    with pytest.raises(ShapeError, match=r"^input_shape: expected None .*got \(1, 28, 28\)"):
        trace([Input(1, 28)], (1, 28, 28))
