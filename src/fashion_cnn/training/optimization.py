"""Optimisers and schedules: torch's own, with a recipe's settings."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)

from fashion_cnn.base.recipes import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """Return torch's own optimiser for the recipe, fused, with a group for each learning rate.

    A group's `lr` is a tensor, so that a CUDA graph reads the rate of each step; its `peak` is the
    recipe's rate. The CPU computes with the float64 of it, as with a number.

    Parameters that are frozen at first have groups of their own: fused SGD with momentum fails
    where some of a group's parameters have a momentum already and others get their first gradient.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = recipe.learning_rate_of(name), recipe.frozen(name, epoch=1)
        groups.setdefault(key, []).append(parameter)
    device = next(network.parameters()).device
    exact = torch.float64 if device.type in {"cpu", "meta"} else torch.float32
    weights = [
        {"params": group, "lr": torch.tensor(rate, dtype=exact, device=device), "peak": rate}
        for (rate, _), group in groups.items()
    ]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        momentum, nesterov = recipe.momentum, recipe.nesterov
        return SGD(weights, rate, momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    kind = Adam if recipe.optimizer == "adam" else AdamW
    # Without `capturable`, both refuse to be part of a CUDA graph.
    capturable = device.type == "cuda"
    return kind(weights, rate, weight_decay=decay, fused=True, capturable=capturable)


def learning_rates(
    peaks: Sequence[float], recipe: Recipe, total_steps: int
) -> Iterator[list[float]]:
    """Yield, for each step of a training, the rate of each group of parameters by its peak."""
    optimizer = SGD([{"params": [torch.zeros(1)], "lr": peak} for peak in peaks])
    schedule = make_schedule(optimizer, recipe, total_steps)
    while True:
        yield [float(rate) for rate in schedule.get_last_lr()]
        optimizer.step()
        schedule.step()


def make_schedule(optimizer: Optimizer, recipe: Recipe, total_steps: int) -> LRScheduler:
    """Return torch's own schedule for the recipe; call its `step` after each optimiser step.

    The rate rises over the first `warmup_fraction` of the steps: along a cosine for one_cycle,
    linearly for constant and cosine.
    """
    warmup_steps = round(recipe.warmup_fraction * total_steps)
    if recipe.schedule == "one_cycle":
        # torch divides by zero if the rate rises over a single step.
        warmup = max(recipe.warmup_fraction, 2 / (total_steps + 1)) if warmup_steps else 0.0
        return OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total_steps + 1,
            pct_start=warmup,
            cycle_momentum=False,
        )
    remaining_steps = max(total_steps - warmup_steps, 1)
    if not warmup_steps:
        return _after_warmup(optimizer, recipe, remaining_steps)
    rise = LinearLR(optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps)
    after = _after_warmup(optimizer, recipe, remaining_steps)
    return SequentialLR(optimizer, [rise, after], milestones=[warmup_steps])


def _after_warmup(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0, total_iters=1)
