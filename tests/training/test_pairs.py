"""Every key of a recipe trains with every optimiser, schedule and freeze, and does what it says."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from fashion_cnn.base.recipes import VGG11
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset.images import Images, Transform, read_split
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import Epoch, TrainingState
from tests import recipes

Weights = dict[str, Tensor]
BASE: dict[str, Any] = {"train_images": 24, "epochs": 2, "batch_size": 16, "image_size": 28}


class Trained(NamedTuple):
    """What a training left: its epochs, the weights before and after each, and those kept."""

    rows: list[Epoch]
    weights: list[Weights]
    kept: Weights


Changes = Callable[[str, Trained], bool]


def always(optimizer: str, trained: Trained) -> bool:
    return True


def never(optimizer: str, trained: Trained) -> bool:
    return False


def with_sgd(optimizer: str, trained: Trained) -> bool:
    return optimizer == "sgd"


# By key: another value of it than the base's, and whether it changes the weights that are kept.
KEYS: dict[str, list[tuple[Any, Changes]]] = {
    "train_images": [(20, always)],
    "momentum": [(0.5, with_sgd), (0.0, with_sgd)],
    "nesterov": [(True, with_sgd)],
    "warmup_fraction": [(0.0, always)],
    "label_smoothing": [(0.1, always)],
    "clip_norm": [(0.01, always)],
    "ema_decay": [(0.5, always)],
    "augmentation": [
        ({"flip": 1.0}, always),
        ({"shift": 2}, always),
        ({"flip": 0.5, "shift": 1, "erase": 1.0}, always),
    ],
    "keep": [("best", lambda _, trained: best(trained.rows) != trained.rows[-1])],
    "patience": [(1, lambda _, trained: len(trained.rows) < BASE["epochs"])],
    "seed": [(7, always)],
    "precision": [("bfloat16", always), ("float16", always)],
    # On CUDA alone.
    "deterministic": [(False, never)],
    "image_size": [(32, always)],
    "epochs": [(3, always)],
    "batch_size": [(11, always), (64, always)],
    "learning_rate": [(0.003, always)],
    "weight_decay": [(0.01, always)],
    "new_layers_rate": [(0.02, always)],
}
CASES = [pytest.param(key, *case, id=f"{key}-{case[0]}") for key in KEYS for case in KEYS[key]]
# compile takes a compiler and half a minute; device and weights are decided before the training.
ELSEWHERE = {"compile", "device", "weights"}


def best(rows: list[Epoch]) -> Epoch:
    return max(rows, key=lambda row: (row.validation_accuracy, -row.validation_loss))


@cache
def images(folder: Path) -> Images:
    """Images to train on and to validate with."""
    return read_split(folder, recipes.dataset())[0][:60]


def small() -> nn.Sequential:
    """Return a network whose layers have the names of VGG-11's."""
    features = nn.Sequential(nn.Conv2d(1, 4, 5, stride=4), nn.Tanh(), nn.Conv2d(4, 4, 3))
    classifier = nn.Sequential(nn.AdaptiveAvgPool1d(16), nn.Dropout(0.2))
    classifier.add_module("6", nn.Linear(16, 10))
    network = nn.Sequential()
    network.add_module("features", features)
    network.add_module("flatten", nn.Flatten())
    network.add_module("classifier", classifier)
    return network


def train(folder: Path, **changes: Any) -> Trained:
    """Train the small network by the base's recipe with `changes`."""
    recipe = recipes.vgg11(**(BASE | {"learning_rate": 0.01} | changes))
    with seeded(recipe.seed):
        network = small()
    compute = prepare("cpu", recipe.precision, deterministic=recipe.deterministic)
    training = images(folder)[: recipe.train_images]
    steps = -(-len(training) // recipe.batch_size)
    state = TrainingState("vgg11", network, recipe, steps, scaled=compute.dtype == torch.float16)
    weights = [copy(network)]

    def pause(epoch_ended: bool) -> None:
        if epoch_ended:
            weights.append(copy(network))

    Loop(state, Transform(recipe.image_size, 0.5, 0.5), compute, pause=pause).fit(
        training, images(folder)
    )
    return Trained(state.rows, weights, copy(state.keep()))


base = cache(train)


def copy(network: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def same(one: Weights, other: Weights) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_no_key_is_left_out() -> None:
    crossed = {"optimizer", "schedule", "freeze_epochs"}
    assert {*KEYS, *ELSEWHERE, *crossed} == {*VGG11.model_fields}


@pytest.mark.parametrize("freeze_epochs", [0, 1])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize(("key", "value", "changes"), CASES)
def test_each_key_with_each_optimiser_schedule_and_freeze(
    fashion_mnist: Path,
    key: str,
    value: Any,
    changes: Changes,
    optimizer: str,
    schedule: str,
    freeze_epochs: int,
) -> None:
    crossed = {"optimizer": optimizer, "schedule": schedule, "freeze_epochs": freeze_epochs}
    trained = train(fashion_mnist, **crossed, **{key: value})
    assert all(tensor.isfinite().all() for tensor in trained.kept.values())
    for epoch, (before, after) in enumerate(pairwise(trained.weights), 1):
        for name in after:
            frozen = name.startswith("features.") and epoch <= freeze_epochs
            assert torch.equal(after[name], before[name]) == frozen, (epoch, name)
    kept = base(fashion_mnist, **crossed).kept
    assert same(trained.kept, kept) != changes(optimizer, trained)
