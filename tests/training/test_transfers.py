"""A training step leaves the device alone: no value is read back, nothing is copied to another."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset.images import Images, Transform, read_split
from fashion_cnn.models import lenet, vgg
from fashion_cnn.training.state import TrainingState
from fashion_cnn.training.step import Step
from tests import recipes

# Operations whose result or work the processor must wait for.
READS = {
    *("aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.item", "aten.equal"),
    *("aten.masked_select", "aten.unique_consecutive", "aten._unique2"),
}


class Transfers(TorchDispatchMode):
    """Counts the operations that read a value back or copy between devices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = str(function).rsplit(".", 1)[0]
        if name in READS:
            self.seen[name] += 1
        if name in {"aten._to_copy", "aten.copy_"}:
            leaves = tree_leaves((args, result))
            # A number for one more device than there is here would be a copy to it.
            if len({leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor)}) > 1:
                self.seen[name] += 1
        return result


@pytest.fixture(scope="module")
def images(fashion_mnist: Path) -> Images:
    """64 training images."""
    return read_split(fashion_mnist, recipes.dataset())[0][:64]


def count(state: TrainingState, transform: Transform, images: Images) -> Counter[str]:
    """Return what an epoch's steps read and copied, without the log and the epoch's end."""
    step = Step(state, transform, prepare("cpu", state.recipe.precision), images)
    step.begin_epoch()
    seen: Counter[str] = Counter()
    state.network.train()
    for number in range(state.steps):
        with Transfers() as transfers:
            step()
        if number:
            # The first step makes the optimiser's states.
            seen += transfers.seen
    return seen


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema_decay": 0.9},
        {"clip_norm": 0.5},
        {"label_smoothing": 0.1, "augmentation": {"flip": 0.5, "shift": 2, "erase": 0.5}},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "adamw", "schedule": "cosine"},
    ],
    ids=lambda changes: "".join(changes) or "plain",
)
def test_a_step_reads_nothing_back(images: Images, changes: dict[str, Any]) -> None:
    with seeded(0):
        network = lenet.build()
    recipe: Recipe = recipes.lenet(batch_size=16, **changes)
    state = TrainingState("lenet", network, recipe, steps=4)
    assert not count(state, Transform(28, 0.5, 0.5), images)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_neither_does_one_with_a_resize_and_dropout(images: Images, precision: str) -> None:
    with seeded(0):
        network = vgg.build(image_size=32, width_divisor=32)
    recipe = recipes.vgg(precision=precision, batch_size=16)
    state = TrainingState("vgg", network, recipe, 4, scaled=precision == "float16")
    assert not count(state, Transform(32, 0.5, 0.5), images)


def test_what_is_read_is_counted(images: Images) -> None:
    with Transfers() as transfers:
        images.labels[0].item()
        images.labels.float().to("meta")
    assert transfers.seen == {"aten._local_scalar_dense": 1, "aten._to_copy": 1}
