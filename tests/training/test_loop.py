"""The loop computes what a loop written out computes, and what each part of a recipe asks for."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fashion_cnn.base import params
from fashion_cnn.base.compute import prepare, seeded
from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset.images import Images, Transform, read_split, shuffled
from fashion_cnn.models import lenet
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import TrainingState
from tests import recipes


@pytest.fixture(scope="module")
def images(fashion_mnist: Path) -> tuple[Images, Images]:
    """200 training and 100 validation images."""
    training, validation = read_split(fashion_mnist, recipes.dataset())
    return training[:200], validation[:100]


def fit(
    images: tuple[Images, Images], recipe: params.Recipe, network: nn.Module | None = None
) -> TrainingState:
    """Train a LeNet of seed 0."""
    if network is None:
        with seeded(0):
            network = lenet.build()
    steps = math.ceil(len(images[0]) / recipe.batch_size)
    state = TrainingState("lenet", network, recipe, steps)
    Loop(state, Transform(28, 0.5, 0.5), prepare("cpu", "float32")).fit(*images)
    return state


def inputs(images: Images, index: torch.Tensor) -> torch.Tensor:
    """Pixels as the network takes them, by plain arithmetic."""
    return (images.pixels[index].float() / 255 - 0.5) / 0.5


PLAIN = {
    "optimizer": "sgd",
    "schedule": "constant",
    "warmup_fraction": 0.0,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "epochs": 1,
}


@pytest.mark.parametrize(
    "changes",
    [{}, {"label_smoothing": 0.2}, {"clip_norm": 0.5}, {"ema_decay": 0.8}, {"nesterov": True}],
    ids=lambda changes: "".join(changes) or "plain",
)
def test_an_epoch_is_that_of_a_loop_written_out(
    images: tuple[Images, Images], changes: dict[str, object]
) -> None:
    """SGD, written with nothing of the package but the order, ends in the same weights."""
    training, _ = images
    recipe = recipes.lenet(**(PLAIN | changes))
    state = fit(images, recipe)
    with seeded(0):
        reference = lenet.build()
    averaged = [p.detach().clone() for p in reference.parameters()]
    velocity = [torch.zeros_like(p) for p in reference.parameters()]
    losses, right = 0.0, 0
    order = shuffled(200, recipe.seed, "order", 1)
    for step, start in enumerate(range(0, 200, 32)):
        index = order[start : start + 32]
        logits = reference(inputs(training, index))
        target = F.one_hot(training.labels[index], 10).float()
        smooth = target * (1 - recipe.label_smoothing) + recipe.label_smoothing / 10
        loss = -(smooth * logits.log_softmax(dim=1)).sum(dim=1).mean()
        losses += loss.item() * len(index)
        right += int((logits.argmax(1) == training.labels[index]).sum())
        gradients = torch.autograd.grad(loss, [*reference.parameters()])
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        scale = min(1.0, recipe.clip_norm / float(norm)) if recipe.clip_norm else 1.0
        with torch.no_grad():
            for p, g, v in zip(reference.parameters(), gradients, velocity, strict=True):
                v.mul_(0.9).add_(g * scale)
                p.sub_(0.01 * (g * scale + 0.9 * v if recipe.nesterov else v))
            for mean, p in zip(averaged, reference.parameters(), strict=True):
                # torch's average begins with the weights after the first step.
                mean.copy_(p if step == 0 else 0.8 * mean + 0.2 * p)
    expected: Iterable[torch.Tensor] = averaged if recipe.ema_decay else reference.parameters()
    for ours, theirs in zip(state.keep().parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    (row,) = state.rows
    assert row.train_loss == pytest.approx(losses / 200, rel=1e-5)
    assert row.train_accuracy == right / 200
    assert row.learning_rate == 0.01


def test_validation_is_of_the_network_that_is_kept(images: tuple[Images, Images]) -> None:
    _, validation = images
    state = fit(images, recipes.lenet(ema_decay=0.9))
    everything = torch.arange(len(validation))
    with torch.inference_mode():
        logits = state.keep()(inputs(validation, everything))
    accuracy = (logits.argmax(1) == validation.labels).float().mean()
    assert state.kept_row.validation_accuracy == pytest.approx(float(accuracy))
    loss = F.cross_entropy(logits, validation.labels)
    assert state.kept_row.validation_loss == pytest.approx(float(loss), rel=1e-4)


def test_the_best_epoch_is_kept_when_asked(images: tuple[Images, Images]) -> None:
    wild = {"learning_rate": 0.01, "schedule": "constant", "warmup_fraction": 0.0}
    rows = fit(images, recipes.lenet(epochs=12, **wild)).rows
    accuracies = [row.validation_accuracy for row in rows]
    # Up to an epoch that is worse than one before it.
    epochs = next(e for e in range(1, 13) if accuracies[e - 1] < max(accuracies[:e]))
    last, best = (
        fit(images, recipes.lenet(epochs=epochs, keep=keep, **wild)) for keep in ("last", "best")
    )
    assert last.rows == best.rows == rows[:epochs]
    assert last.kept_row.epoch == epochs
    assert best.kept_row.validation_accuracy == max(accuracies[:epochs])
    with torch.inference_mode():
        logits = best.keep()(inputs(images[1], torch.arange(100)))
    right = (logits.argmax(1) == images[1].labels).float().mean()
    assert float(right) == pytest.approx(best.kept_row.validation_accuracy)


def test_training_stops_when_patience_runs_out(images: tuple[Images, Images]) -> None:
    """A rate too small to change one prediction gains nothing after the first epoch."""
    still = recipes.lenet(optimizer="sgd", learning_rate=1e-12, epochs=9, patience=2)
    assert len(fit(images, still).rows) == 3


def test_frozen_layers_stay_for_their_epochs(images: tuple[Images, Images]) -> None:
    class Frozen(params.LeNet):
        def frozen(self, parameter: str, epoch: int) -> bool:
            return parameter.startswith("conv1.") and epoch <= self.epochs - 1

    for epochs, stays in ((2, False), (3, True)):
        with seeded(0):
            network = lenet.build()
        before = network.get_parameter("conv1.weight").detach().clone()
        recipe = Frozen.model_validate(recipes.lenet(epochs=epochs).model_dump())
        state = TrainingState("lenet", network, recipe, math.ceil(200 / 32))
        seen: list[bool] = []

        def look(
            ended: bool,
            seen: list[bool] = seen,
            network: nn.Module = network,
            before: torch.Tensor = before,
        ) -> None:
            if ended:
                seen.append(torch.equal(network.get_parameter("conv1.weight"), before))

        Loop(state, Transform(28, 0.5, 0.5), prepare("cpu", "float32"), pause=look).fit(*images)
        assert seen == ([True, True, False] if stays else [True, False])


def test_augmented_images_are_trained_and_repeat(images: tuple[Images, Images]) -> None:
    augmented = {"augmentation": {"flip": 0.5, "shift": 2, "erase": 0.5}}
    plain, once, again = (
        fit(images, recipes.lenet(**changes)).rows for changes in ({}, augmented, augmented)
    )
    assert once == again != plain


def test_losses_and_gradients_that_are_not_finite_are_told(images: tuple[Images, Images]) -> None:
    wild = recipes.lenet(optimizer="sgd", learning_rate=1e9, schedule="constant")
    with pytest.raises(
        InputError,
        match=r"lenet: the loss is (nan|inf) in epoch 1, step \d of 7, at learning rate 1e\+09: "
        r"lower lenet\.learning_rate, raise .* no weights are written",
    ):
        fit(images, wild)

    class Overflowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(784, 10))

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            # The root of 0: a finite value of infinite slope.
            return batch.flatten(1) @ self.weight.abs().sqrt()

    with pytest.raises(InputError, match=r"norm of the gradients is (nan|inf) in epoch 1, step 1"):
        fit(images, recipes.lenet(optimizer="sgd", log_interval=1), Overflowing())
