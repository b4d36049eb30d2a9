"""What a network and its training may take, held against what they are estimated to take."""

from collections.abc import Sequence

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.recipes import VGG11
from fashion_cnn.costs.estimates import layer_memory
from fashion_cnn.costs.footprint import Footprint

# What makes each estimate smaller, besides a smaller network.
LOWER = {
    "parameters": (),
    "memory_gigabytes": ("batch_size",),
    "petaflops": ("epochs", "train_images"),
}


def check(footprints: Sequence[Footprint]) -> None:
    """Let pass what is within its budgets.

    Raises:
        InputError: a line for each budget that is exceeded: what is allowed and what estimated,
            the layer that takes most, and what to change.
    """
    faults = [fault for each in footprints for fault in _faults(each)]
    if faults:
        raise InputError("\n".join([f"{len(faults)} budget(s) exceeded:", *faults]))


def _faults(footprint: Footprint) -> list[str]:
    faults = []
    for key, (estimate, shares) in _estimates(footprint).items():
        allowed = getattr(footprint.recipe.budget, key)
        if allowed is not None and estimate > allowed:
            share, row = max(zip(shares, footprint.rows, strict=True), key=lambda pair: pair[0])
            faults.append(
                f"{footprint.model}.budget.{key}: expected at most {allowed}, estimated "
                f"{_number(estimate)}; {row.name} ({row.kind}) takes most, {_number(share)}: "
                f"{_mend(footprint, key)}"
            )
    return faults


def _estimates(footprint: Footprint) -> dict[str, tuple[float, list[float]]]:
    """Each budget's estimate, and every layer's share of it."""
    rows, flops = footprint.rows, footprint.flops
    parameters = [row.parameters for row in rows]
    memory = layer_memory(rows, footprint.recipe)
    multiplications = [row.multiply_accumulates for row in rows]
    return {
        "parameters": (sum(parameters), [*parameters]),
        "memory_gigabytes": (footprint.memory.total / 1e9, [part.total / 1e9 for part in memory]),
        "petaflops": (
            flops / 1e15,
            [flops * count / sum(multiplications) / 1e15 for count in multiplications],
        ),
    }


def _mend(footprint: Footprint, key: str) -> str:
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
