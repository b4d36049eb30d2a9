"""A step that is recorded once and replayed, as a CUDA graph is, gives the eager steps' bytes."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import prepare, reseed, seeded
from fashion_cnn.dataset.images import Images, Transform, read_split
from fashion_cnn.models import lenet, vgg
from fashion_cnn.trained.inference import predict
from fashion_cnn.training.state import TrainingState
from fashion_cnn.training.step import Forward, Step
from tests import recipes


class Recorder(TorchDispatchMode):
    """Records the operations on tensors, to run them again on the very same tensors.

    As in a CUDA graph, all else is frozen: numbers from Python, branches, the number of images.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Run every operation again, and put its results where they were."""
        for function, args, kwargs, result in self.calls:
            storages = {
                leaf.untyped_storage().data_ptr()
                for leaf in tree_leaves((args, kwargs))
                if isinstance(leaf, Tensor)
            }
            for old, new in zip(
                tree_leaves(result), tree_leaves(function(*args, **kwargs)), strict=True
            ):
                # A view, or what was changed in place, has its place among the arguments.
                if isinstance(old, Tensor) and old.untyped_storage().data_ptr() not in storages:
                    old.copy_(new)


@pytest.fixture(scope="module")
def images(fashion_mnist: Path) -> Images:
    """120 training images: seven batches of 16, and one of 8."""
    return read_split(fashion_mnist, recipes.dataset())[0][:120]


def make_step(recipe: Recipe, build: Callable[[], nn.Module], images: Images) -> Step:
    """Return the steps of a new training."""
    with seeded(0):
        network = build()
    compute = prepare("cpu", recipe.precision)
    scaled = compute.dtype == torch.float16
    state = TrainingState("lenet", network, recipe, 8, log_interval=5, scaled=scaled)
    state.network.train()
    return Step(state, Transform(recipe.image_size, 0.5, 0.5), compute, images)


def replayed(step: Step) -> int:
    """Do as `step()` does on CUDA, with a recorder in the graph's place."""
    state, recipe = step.state, step.state.recipe
    recorder: Recorder | None = vars(step).get("recorder")
    if recorder is None:
        before = copy.deepcopy(state.to_checkpoint())
        with Recorder() as recorder:
            step.recorded = step.run(recipe.batch_size)
        # Unlike a capture, recording has run the step.
        vars(step)["recorder"] = recorder
        restore(state, before)
    reseed(step.compute.device, recipe.seed, state.epoch, state.step, 0)
    recorder.replay()
    step.outcome = step.recorded
    state.step += 1
    state.pending += 1
    return recipe.batch_size


def restore(state: TrainingState, saved: dict[str, Any]) -> None:
    """Put the values of `saved` back into the same tensors."""
    targets = tree_leaves(state.to_checkpoint())
    for target, value in zip(targets, tree_leaves(saved), strict=True):
        if isinstance(target, Tensor):
            with torch.no_grad():
                target.copy_(value)
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(saved["scaler"])
    state.losses[state.pending :].zero_()
    state.counts.copy_(torch.tensor([state.step, state.pending]))


def trained(step: Step, call: Callable[[Step], int]) -> tuple[list[Any], list[float]]:
    """Train two epochs by `call` for full batches after the third; return state and norms."""
    state, norms = step.state, []
    for _ in range(2):
        step.begin_epoch()
        for number in range(8):
            full = number < 7
            (call if full and state.total_steps >= 3 else Step.__call__)(step)
            norms.append(step.gradient_norm())
            if state.total_steps % 5 == 0:
                state.check_finite()
                state.forget_losses()
        state.step = 0
        state.counts[0].zero_()
        state.rows.append(None)  # type: ignore[arg-type]
        state.rates = state.rates[::-1]
    state.rows.clear()
    return tree_leaves(state.to_checkpoint()), norms


EVERYTHING = {
    "ema_decay": 0.9,
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "augmentation": {"flip": 0.5, "shift": 2, "erase": 0.5},
}


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("lenet", {}),
        ("lenet", EVERYTHING),
        ("lenet", {"optimizer": "sgd", "schedule": "cosine"}),
        ("vgg", {"precision": "bfloat16", "optimizer": "adamw"}),
        ("vgg", {"precision": "float16", "optimizer": "sgd"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "plain",
)
def test_a_recorded_step_gives_the_eager_steps_bytes(
    images: Images, network: str, changes: dict[str, Any]
) -> None:
    small = {"batch_size": 16} | changes
    recipe: Recipe = recipes.lenet(**small)
    build: Callable[[], nn.Module] = lenet.build
    if network == "vgg":
        recipe, build = (
            recipes.vgg(epochs=2, **small),
            partial(vgg.build, image_size=32, width_divisor=32),
        )
    eager, norms = trained(make_step(recipe, build, images), Step.__call__)
    again, norms_again = trained(make_step(recipe, build, images), replayed)
    assert len(eager) == len(again)
    for one, other in zip(eager, again, strict=True):
        assert torch.equal(one, other) if isinstance(one, Tensor) else one == other
    assert norms == norms_again


def test_the_compiler_learns_that_it_is_to_be_deterministic(images: Images) -> None:
    torch._inductor.config.deterministic = False
    make_step(recipes.lenet(compile=True), lenet.build, images)
    assert torch._inductor.config.deterministic


def test_images_are_resized_outside_of_autocast(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA's autocast would resize in float32, whatever the images' type."""
    resize, inside = Transform.__call__, []

    def watched(*given: Any) -> Tensor:
        inside.append(torch.is_autocast_enabled("cpu"))
        return resize(*given)

    monkeypatch.setattr(Transform, "__call__", watched)
    compute, transform, network = prepare("cpu", "bfloat16"), Transform(28, 0.5, 0.5), lenet.build()
    network.register_forward_pre_hook(lambda *_: inside.append(torch.is_autocast_enabled("cpu")))
    Forward(network, transform, compute, 0.0)(images.pixels[:2], images.labels[:2])
    predict(network, images[:2], transform, compute, 2)
    assert inside == [False, True, False, True]
