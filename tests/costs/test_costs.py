"""Estimates of memory against torch's own allocator, and of arithmetic against closed forms."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from fashion_cnn.base import models, params
from fashion_cnn.core.compute import resolve
from fashion_cnn.core.shapes import ShapeError
from fashion_cnn.costs.footprint import footprint, training_flops
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models import lenet
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.memory import Memory, layer_memory, training_memory
from fashion_cnn.training.state import TrainingState
from tests.conftest import ROOT


def estimated(model: str, **changes: object) -> Memory:
    """The estimated memory of training a model at the default params with `changes`."""
    values = params.replace(params.load(ROOT / "params.yaml"), model, **changes)
    recipe = getattr(values, model)
    return training_memory(footprint(model, values).rows, recipe, recipe.precision)


def measured(tmp_path: Path, model: str, **changes: object) -> int:
    """The peak bytes that torch's CPU allocator holds in two steps of the training loop."""
    recipe = getattr(params.replace(params.load(ROOT / "params.yaml"), model, **changes), model)
    count = 2 * recipe.batch_size
    pixels = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    images = Images(pixels, torch.zeros(count, dtype=torch.int64))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        network = models.build(model, **recipe.architecture())
        network.to(memory_format=torch.channels_last)
        state = TrainingState(model, network, recipe.model_copy(update={"epochs": 1}), 2)
        transform = Transform(recipe.image_size, 0.5, 0.5)
        Loop(state, transform, resolve("cpu", recipe.precision)).fit(images, images[:1])
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    held: dict[int, int] = {}
    now = peak = 0
    for event in (event["args"] for event in events if event["name"] == "[memory]"):
        if event["Bytes"] > 0:
            held[event["Addr"]] = event["Bytes"]
            now += event["Bytes"]
        else:
            # What was allocated before the profile has no entry, and releasing it gains nothing.
            now -= held.pop(event["Addr"], 0)
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("lenet", {"batch_size": 4, "optimizer": "sgd"}),
        ("lenet", {"batch_size": 256, "precision": "bfloat16"}),
        ("vgg", {"batch_size": 64, "precision": "float32"}),
        ("vgg", {"batch_size": 8, "precision": "float32", "image_size": 224}),
        ("vgg", {"batch_size": 64, "precision": "bfloat16", "optimizer": "sgd"}),
        ("vgg11", {"batch_size": 8, "precision": "float32"}),
    ],
)
def test_memory_is_within_a_quarter_of_what_torch_allocates(
    tmp_path: Path, model: str, changes: dict[str, object]
) -> None:
    if changes.get("precision") == "bfloat16" and resolve("cpu", "auto").precision == "float32":
        pytest.skip("this processor computes bfloat16 by way of copies in float32")
    estimate = estimated(model, **changes).total
    assert estimate == pytest.approx(measured(tmp_path, model, **changes), rel=0.25)


@pytest.mark.parametrize(
    ("optimizer", "momentum", "copies"),
    [("sgd", 0.9, 1), ("sgd", 0.0, 0), ("adam", 0.9, 2), ("adamw", 0.0, 2)],
)
def test_weights_gradients_and_optimiser_state_are_float32(
    optimizer: str, momentum: float, copies: int
) -> None:
    for precision in ("float32", "bfloat16"):
        memory = estimated("lenet", optimizer=optimizer, momentum=momentum, precision=precision)
        assert memory.parameters == memory.gradients == 4 * 44_426
        assert memory.optimizer_state == copies * memory.parameters


def test_auto_counts_as_float32_on_every_machine() -> None:
    auto, float32, bfloat16 = (
        estimated("vgg", precision=name) for name in ("auto", "float32", "bfloat16")
    )
    assert auto == float32
    assert bfloat16.activations < float32.activations


def test_autocast_keeps_a_copy_of_the_weights_whatever_the_batch() -> None:
    for precision, width in (("float32", 0), ("bfloat16", 2)):
        of_64, of_128 = (
            estimated("vgg", precision=precision, batch_size=size) for size in (64, 128)
        )
        kept = 2 * of_64.activations - of_128.activations
        assert kept == width * of_64.parameters // 4


def test_the_first_layer_holds_the_images() -> None:
    values = params.replace(params.load(ROOT / "params.yaml"), "lenet", batch_size=5)
    first, *_ = layer_memory(footprint("lenet", values).rows, values.lenet)
    assert first.activations == torch.zeros(5, 1, 28, 28).nbytes


def test_flops_of_a_training() -> None:
    rows = footprint("lenet", params.load(ROOT / "params.yaml")).rows
    multiplications = 24**2 * 6 * 25 + 8**2 * 16 * 6 * 25 + 256 * 120 + 120 * 84 + 84 * 10
    assert training_flops(rows, 100, 10, 3) == 2 * multiplications * (3 * 100 + 10) * 3


def test_totals_are_flat_numbers() -> None:
    lenet = footprint("lenet", params.load(ROOT / "params.yaml"))
    values = 2 * 6 * 24**2 + 6 * 12**2 + 2 * 16 * 8**2 + 2 * 256 + 2 * 120 + 2 * 84 + 10
    assert lenet.totals() == {
        "parameters": 44_426,
        "multiply_accumulates": 281_640,
        "activation_bytes": 4 * values,
        "classifier_input": 16 * 4 * 4,
        "training_bytes": lenet.memory.total,
        "training_flops": lenet.flops,
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda **_: nn.Linear(784, 10 // 0), "^lenet, image_size 28: build: ZeroDivisionError: "),
        (
            lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(784, 7)),
            "expected 10 numbers for",
        ),
        (
            lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10)),
            r"^lenet.batch_size: 64 leaves a batch of one of 193 images: change it or lenet.tr.* "
            r"2 \(BatchNorm1d\): Expected more than 1 value[^\n]*\nThe layers before it give:\n  0",
        ),
        (
            lambda **_: nn.Sequential(nn.AvgPool2d(28), nn.Conv2d(1, 10, 1), Squeeze()),
            "for a single image, got .10,.: keep images apart",
        ),
    ],
)
def test_what_a_network_of_one_s_own_may_get_wrong_is_told_before_training(
    monkeypatch: pytest.MonkeyPatch, make: Callable[..., nn.Module], message: str
) -> None:
    monkeypatch.setattr(lenet, "build", make)
    values = params.replace(params.load(ROOT / "params.yaml"), "lenet", train_images=193)
    with pytest.raises(ShapeError, match=message):
        footprint("lenet", values)


class Squeeze(nn.Module):
    """Takes away every axis of length 1, the images' own too."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, 1, 1) -> (N, C), or (C,) of a single image."""
        return maps.squeeze()
