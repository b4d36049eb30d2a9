"""The loop computes what a plain loop does, and what each part of a recipe asks for."""

import copy
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.recipes import VGG11, Recipe
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset.images import Images, Transform, read_split, shuffled
from fashion_cnn.models import lenet, vgg
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import Epoch, TrainingState
from tests import recipes


@pytest.fixture(scope="module")
def images(fashion_mnist: Path) -> tuple[Images, Images]:
    """200 training and 100 validation images."""
    training, validation = read_split(fashion_mnist, recipes.dataset())
    return training[:200], validation[:100]


def fit(
    images: tuple[Images, Images],
    recipe: Recipe,
    network: nn.Module | None = None,
    log_interval: int = recipes.LOG_INTERVAL,
) -> TrainingState:
    """Train `network`, or a LeNet of seed 0."""
    if network is None:
        with seeded(0):
            network = lenet.build()
    steps = math.ceil(len(images[0]) / recipe.batch_size)
    state = TrainingState("lenet", network, recipe, steps, log_interval=log_interval)
    Loop(state, Transform(28, 0.5, 0.5), prepare("cpu", "float32")).fit(*images)
    return state


def inputs(images: Images, index: torch.Tensor) -> torch.Tensor:
    """Return the images' pixels as the network takes them, by plain arithmetic."""
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
def test_an_epoch_is_that_of_a_plain_loop(
    images: tuple[Images, Images], changes: dict[str, object]
) -> None:
    """SGD in plain tensor arithmetic, in the package's order of images, gives the same weights."""
    training, _ = images
    recipe = recipes.lenet(**(PLAIN | changes))
    state = fit(images, recipe)
    with seeded(0):
        reference = lenet.build()
    averaged = [p.detach().clone() for p in reference.parameters()]
    velocity = [torch.zeros_like(p) for p in reference.parameters()]
    losses, correct = 0.0, 0
    order = shuffled(200, recipe.seed, "order", 1)
    for step, start in enumerate(range(0, 200, 32)):
        index = order[start : start + 32]
        logits = reference(inputs(training, index))
        target = F.one_hot(training.labels[index], 10).float()
        smooth = target * (1 - recipe.label_smoothing) + recipe.label_smoothing / 10
        loss = -(smooth * logits.log_softmax(dim=1)).sum(dim=1).mean()
        losses += loss.item() * len(index)
        correct += int((logits.argmax(1) == training.labels[index]).sum())
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
    assert row.train_accuracy == correct / 200
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
    # End with an epoch that is worse than an earlier one.
    epochs = next(e for e in range(1, 13) if accuracies[e - 1] < max(accuracies[:e]))
    last, best = (
        fit(images, recipes.lenet(epochs=epochs, keep=keep, **wild)) for keep in ("last", "best")
    )
    assert last.rows == best.rows == rows[:epochs]
    assert last.kept_row.epoch == epochs
    assert best.kept_row.validation_accuracy == max(accuracies[:epochs])
    with torch.inference_mode():
        logits = best.keep()(inputs(images[1], torch.arange(100)))
    accuracy = (logits.argmax(1) == images[1].labels).float().mean()
    assert float(accuracy) == pytest.approx(best.kept_row.validation_accuracy)


def test_among_equal_accuracies_the_epoch_with_the_lower_loss_is_kept() -> None:
    network = nn.Linear(1, 1, bias=False)
    state = TrainingState("lenet", network, recipes.lenet(epochs=4, keep="best"), steps=1)
    for epoch, (accuracy, loss) in enumerate([(0.8, 0.7), (0.9, 0.6), (0.9, 0.4), (0.9, 0.5)], 1):
        nn.init.constant_(network.weight, epoch)
        state.end_epoch(Epoch(epoch, 0.0, 0.0, loss, accuracy, 0.0))
    assert state.kept_row.epoch == 3
    state.keep()
    assert network.weight.item() == 3


def test_training_stops_when_patience_runs_out(images: tuple[Images, Images]) -> None:
    """A rate too small to change any prediction gives no better epoch after the first."""
    still = recipes.lenet(optimizer="sgd", learning_rate=1e-12, epochs=9, patience=2)
    assert len(fit(images, still).rows) == 3


def small_vgg(recipe: VGG11) -> TrainingState:
    """Return the untrained state of a small network whose layers have VGG-11's names."""
    with seeded(0):
        network = vgg.build(image_size=32, width_divisor=32)
    return TrainingState("vgg11", network, recipe, math.ceil(200 / 32))


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [("sgd", 0.0), ("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)]
)
def test_frozen_layers_thaw_with_every_optimiser_and_resume(
    images: tuple[Images, Images], optimizer: str, momentum: float
) -> None:
    recipe = recipes.vgg11(
        freeze_epochs=1, new_layers_rate=0.002, optimizer=optimizer, momentum=momentum
    )
    state = small_vgg(recipe)
    before = {name: p.detach().clone() for name, p in state.network.named_parameters()}
    changed, checkpoints = [], {}

    def pause(epoch_ended: bool) -> None:
        if epoch_ended:
            now = state.network.named_parameters()
            changed.append({name for name, p in now if not torch.equal(p, before[name])})
        checkpoints[state.total_steps, epoch_ended] = copy.deepcopy(state.to_checkpoint())

    def train(state: TrainingState, pause: Callable[[bool], None] = lambda _: None) -> None:
        Loop(state, Transform(32, 0.5, 0.5), prepare("cpu", "float32"), pause=pause).fit(*images)

    train(state, pause)
    classifier = {name for name in before if name.startswith("classifier.")}
    assert changed == [classifier, {*before}]
    # In the frozen epoch, right before the layers thaw, and after their first step.
    for position in ((3, False), (7, True), (8, False)):
        resumed = small_vgg(recipe)
        resumed.restore(checkpoints[position])
        train(resumed)
        assert resumed.rows == state.rows
        for name, parameter in state.network.named_parameters():
            assert torch.equal(resumed.network.get_parameter(name), parameter)


def test_augmentation_changes_the_training_and_repeats(images: tuple[Images, Images]) -> None:
    augmented = {"augmentation": {"flip": 0.5, "shift": 2, "erase": 0.5}}
    plain, once, again = (
        fit(images, recipes.lenet(**changes)).rows for changes in ({}, augmented, augmented)
    )
    assert once == again != plain


def test_losses_and_gradients_that_are_not_finite_are_errors(images: tuple[Images, Images]) -> None:
    wild = recipes.lenet(
        optimizer="sgd", learning_rate=1e9, schedule="constant", warmup_fraction=0.0
    )
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
            # The root of 0 is finite, but its slope is infinite.
            return batch.flatten(1) @ self.weight.abs().sqrt()

    with pytest.raises(InputError, match=r"norm of the gradients is (nan|inf) in epoch 1, step 1"):
        fit(images, recipes.lenet(optimizer="sgd"), Overflowing(), log_interval=1)

    class WorseInUse(nn.Linear):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            answers = super().forward(batch.flatten(1))
            return answers if self.training else answers / 0

    with pytest.raises(InputError, match=r"the validation loss is (nan|inf) in epoch 1, step 7"):
        fit(images, recipes.lenet(), WorseInUse(784, 10))
