"""Checks what networks and their trainings are estimated to take against their budgets."""

from collections.abc import Mapping, Sequence

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Budget
from fashion_cnn.base.recipes import VGG11
from fashion_cnn.costs.footprint import Footprint
from fashion_cnn.training.memory import layer_memory

# Keys of a recipe that lower each estimate and leave the network as it is.
LOWER = {
    "parameters": (),
    "memory_gigabytes": ("batch_size",),
    "petaflops": ("epochs", "train_images"),
}


def check(footprints: Sequence[Footprint], budgets: Mapping[str, Budget]) -> None:
    """Check each model's footprint against its budget.

    Args:
        footprints: what the models and their trainings take.
        budgets: by model.

    Raises:
        InputError: one line per budget that is exceeded: what is allowed, what is estimated, the
            layer that takes most, and what to change.
    """
    faults = [fault for each in footprints for fault in _faults(each, budgets[each.model])]
    if faults:
        raise InputError("\n".join([f"{len(faults)} budget(s) exceeded:", *faults]))


def _faults(footprint: Footprint, budget: Budget) -> list[str]:
    faults = []
    for key, (estimate, shares) in _estimates(footprint).items():
        allowed = getattr(budget, key)
        if allowed is not None and estimate > allowed:
            share, row = max(zip(shares, footprint.rows, strict=True), key=lambda pair: pair[0])
            faults.append(
                f"{footprint.model}: budget.{key}: expected at most {allowed}, estimated "
                f"{_number(estimate)}; {row.name} ({row.kind}) takes most, {_number(share)}: "
                f"{_advice(footprint, key)}"
            )
    return faults


def _estimates(footprint: Footprint) -> dict[str, tuple[float, list[float]]]:
    """Return the estimate for each key of a budget, and each layer's share of it."""
    rows, petaflops = footprint.rows, footprint.flops / 1e15
    multiply_accumulates = sum(row.multiply_accumulates for row in rows)
    return {
        "parameters": (sum(row.parameters for row in rows), [row.parameters for row in rows]),
        "memory_gigabytes": (
            footprint.memory.total / 1e9,
            [memory.total / 1e9 for memory in layer_memory(rows, footprint.recipe)],
        ),
        "petaflops": (
            petaflops,
            [petaflops * row.multiply_accumulates / multiply_accumulates for row in rows],
        ),
    }


def _advice(footprint: Footprint, key: str) -> str:
    model, recipe = footprint.model, footprint.recipe
    changes = [f"lower {model}.{name}" for name in LOWER[key]]
    # VGG-11 has as many parameters at every image size.
    if key != "parameters" or not isinstance(recipe, VGG11):
        changes.append(f"lower {model}.image_size")
    if "width_divisor" in recipe.architecture():
        changes.append(f"raise {model}.width_divisor")
    return " or ".join([*changes, "raise the budget"])


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
