"""A network at its recipe: its layers, and what its training takes."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from tabulate import tabulate

from fashion_cnn.base import models
from fashion_cnn.base.compute import Compute
from fashion_cnn.base.params import Params, Precision, Recipe
from fashion_cnn.costs.estimates import Memory, training_flops, training_memory
from fashion_cnn.shapes import ShapeError, TracedLayer
from fashion_cnn.tracing import trace_network

SUMMED = ("parameters", "multiply_accumulates", "activation_bytes")
# The columns of the table, and how they are aligned.
COLUMNS = {
    "layer": "left",
    "kind": "left",
    "output": "right",
    "parameters": "right",
    "multiply-accumulates": "right",
    "activation bytes": "right",
    "receptive field": "right",
}


@dataclass(frozen=True)
class Footprint:
    """What a network and its training take: estimates, the same on every machine."""

    model: str
    recipe: Recipe
    rows: tuple[TracedLayer, ...]
    memory: Memory
    flops: int

    def totals(self) -> dict[str, Any]:
        """Return the sums over the layers, for one image, and what the training takes."""
        first = next(i for i, row in enumerate(self.rows) if row.kind.endswith("Linear"))
        return {
            **{name: sum(getattr(row, name) for row in self.rows) for name in SUMMED},
            "classifier_input": prod(self.rows[first - 1].output_shape),
            "training_bytes": asdict(self.memory) | {"total": self.memory.total},
            "training_flops": self.flops,
        }

    def table(self) -> str:
        """Return the layers, for one image, and the totals, as aligned text."""
        totals, aligned = self.totals(), list(COLUMNS.values())
        lines = [
            (
                *(row.name, row.kind, _by(row.output_shape)),
                *(f"{getattr(row, name):,}" for name in SUMMED),
                _by(row.receptive_field or ()),
            )
            for row in self.rows
        ]
        lines.append(("total", "", "", *(f"{totals[name]:,}" for name in SUMMED), ""))
        layers = tabulate(
            lines, list(COLUMNS), colalign=aligned, headersalign=aligned, disable_numparse=True
        )
        parts = " + ".join(
            f"{part.replace('_', ' ')} {_bytes(size)}" for part, size in asdict(self.memory).items()
        )
        return (
            f"{self.model}, image_size {self.recipe.image_size}\n\n{layers}\n\n"
            f"classifier input: {totals['classifier_input']:,} features\n"
            f"training memory, batch_size {self.recipe.batch_size}: "
            f"{_bytes(self.memory.total)} = {parts}\n"
            f"training FLOPs, epochs {self.recipe.epochs}: {self.flops:.3g}"
        )

    def on(self, compute: Compute, flops_per_second: float) -> str:
        """Return what the training takes on a device of this speed, in a line."""
        precision: Precision = "float32" if compute.dtype == torch.float32 else "bfloat16"
        memory = training_memory(self.rows, self.recipe, precision)
        return (
            f"{self.model} on this {compute.device} in {precision}: {_bytes(memory.total)}, "
            f"{self.flops / flops_per_second / 3600:.2g} hours at the "
            f"{flops_per_second / 1e9:,.0f} GFLOP/s of matrix products"
        )


def footprint(model: str, params: Params) -> Footprint:
    """Trace a model at its recipe, allocating nothing, and estimate its training.

    Raises:
        ShapeError: a layer does not fit; names model, image size, layer and what it is given.
    """
    recipe: Recipe = getattr(params, model)
    try:
        with torch.device("meta"):
            network = models.build(model, **recipe.architecture())
        rows = trace_network(network, (1, recipe.image_size, recipe.image_size))
    except ShapeError as error:
        raise ShapeError(f"{model}, image_size {recipe.image_size}: {error}") from None
    validation_images = params.dataset.validation_images
    train_images = recipe.train_images or 60_000 - validation_images
    flops = training_flops(rows, train_images, validation_images, recipe.epochs)
    return Footprint(model, recipe, rows, training_memory(rows, recipe), flops)


def _by(lengths: tuple[int, ...]) -> str:
    return " x ".join(map(str, lengths))


def _bytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
