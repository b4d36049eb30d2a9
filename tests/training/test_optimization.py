"""Optimisers and schedules are torch's own, with the recipe's settings."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import SGD

from fashion_cnn.models import lenet, vgg11
from fashion_cnn.training.optimization import learning_rates, make_optimizer, make_schedule
from tests import recipes


def rates(steps: int, **changes: object) -> list[float]:
    """Return the learning rate at each of `steps` steps, for a peak of 1."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make_schedule(optimizer, recipes.lenet(learning_rate=1.0, **changes), steps)
    seen = []
    for _ in range(steps):
        seen.append(float(schedule.get_last_lr()[0]))
        optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize("warmup", [0, 1, 8])
@pytest.mark.parametrize(
    ("schedule", "course"),
    [("constant", lambda t: 1.0), ("cosine", lambda t: (1 + math.cos(math.pi * t)) / 2)],
)
def test_schedules_follow_their_closed_forms(
    schedule: str, course: Callable[[float], float], warmup: int
) -> None:
    expected = [(step + 1) / (warmup + 1) for step in range(warmup)]
    expected += [course(step / (40 - warmup)) for step in range(40 - warmup)]
    seen = rates(40, schedule=schedule, warmup_fraction=warmup / 40)
    assert seen == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("steps", [1, 2, 9, 40])
def test_one_cycle_rises_for_the_warmup_and_ends_near_nothing(warmup: float, steps: int) -> None:
    seen = rates(steps, schedule="one_cycle", warmup_fraction=warmup)
    assert all(0 <= rate <= 1 for rate in seen)
    if steps == 40:
        assert max(seen) == pytest.approx(1, rel=0.02)
        assert abs(seen.index(max(seen)) - warmup * 40) <= 1.5
        assert seen[-1] < 0.15 if warmup == 0.9 else seen[-1] < 0.01


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_optimisers_are_torchs_with_the_recipes_settings(name: str) -> None:
    recipe = recipes.lenet(
        optimizer=name, learning_rate=0.02, weight_decay=0.003, momentum=0.7, nesterov=True
    )
    optimizer = make_optimizer(lenet.build(), recipe)
    assert type(optimizer).__name__.lower() == name
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["fused"]) == (0.02, 0.003, True)
    assert group.get("momentum", 0.7) == 0.7
    assert group.get("nesterov", True)


def test_the_replaced_layers_have_a_learning_rate_of_their_own() -> None:
    with torch.device("meta"):
        network = vgg11.build(image_size=32)
    recipe = recipes.vgg11(learning_rate=0.001, new_layers_rate=0.01)
    optimizer = make_optimizer(network, recipe)
    by_rate = {group["peak"]: group["params"] for group in optimizer.param_groups}
    replaced = [*network.features[0].parameters(), *network.classifier[6].parameters()]
    assert [id(p) for p in by_rate[0.01]] == [id(p) for p in replaced]
    assert len(by_rate[0.001]) == len([*network.parameters()]) - 4
    rates = next(learning_rates([*by_rate], recipe, 10))
    assert rates == pytest.approx([0.01 / 25, 0.001 / 25])
