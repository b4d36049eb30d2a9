"""A network as its recipe builds it: its layers, and what its training takes."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from math import prod
from typing import Any

import torch
from tabulate import tabulate
from torch import nn

from fashion_cnn.base import models
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Params
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import Compute, resolve
from fashion_cnn.core.shapes import ShapeError, TracedLayer
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind
from fashion_cnn.tracing import check_apart, check_batch_of_one, trace_network
from fashion_cnn.training.machine import training_fits
from fashion_cnn.training.memory import Memory, reserved_memory, training_memory

SUMMED = ("parameters", "multiply_accumulates", "activation_bytes")


@dataclass(frozen=True)
class Footprint:
    """What a network and its training take: estimates that are the same on every machine."""

    model: str
    recipe: Recipe
    rows: tuple[TracedLayer, ...]
    memory: Memory
    flops: int

    def totals(self) -> dict[str, int]:
        """Return the sums over the layers for one image, and what the training takes."""
        before = [*takewhile(lambda row: not row.kind.endswith("Linear"), self.rows)]
        return {
            **{name: sum(getattr(row, name) for row in self.rows) for name in SUMMED},
            "classifier_input": prod(before[-1].output_shape) if before else 0,
            "training_bytes": self.memory.total,
            "training_flops": self.flops,
        }

    def table(self) -> str:
        """Return the layers for one image, and the totals, as aligned text."""
        totals = self.totals()
        lines = [
            (
                *(row.name, row.kind, _by(row.output_shape)),
                *(f"{getattr(row, name):,}" for name in SUMMED),
                _by(row.receptive_field or ()),
            )
            for row in self.rows
        ]
        lines.append(("total", "", "", *(f"{totals[name]:,}" for name in SUMMED), ""))
        sums = ("parameters", "multiply-accumulates", "activation bytes")
        aligned = ("left", "left", *["right"] * 5)
        layers = tabulate(
            lines,
            ("layer", "kind", "output", *sums, "receptive field"),
            colalign=aligned,
            headersalign=aligned,
            disable_numparse=True,
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

    def check_memory(self) -> None:
        """Check that the training fits in this machine's memory.

        Raises:
            InputError: it does not, or this machine lacks the recipe's device.
        """
        compute = resolve(self.recipe.device, self.recipe.precision)
        with training_fits(self.model, self.rows, self.recipe, compute):
            pass

    def check_apart(self, kind: Kind) -> None:
        """Build the network, and check that it answers for each image by itself.

        A network of more than 30 million parameters is left out: it would take seconds to build.

        Raises:
            ShapeError: the answer for an image depends on the others of its batch, or it can't run.
        """
        if self.totals()["parameters"] > 30e6:
            return
        size = self.recipe.image_size
        try:
            network = models.build(self.model, **self.recipe.architecture(), **kind.architecture())
            check_apart(network, (kind.channels, size, size))
        except Exception as error:
            # What ran on the meta device, in the type of its weights, may still fail on images.
            reason = str(error)
            if not isinstance(error, ShapeError):
                reason = f"it fails on real images: {type(error).__name__}: {error}"
            raise ShapeError(f"{self.model}, image_size {size}: {reason}") from None

    def on(self, compute: Compute, flops_per_second: float) -> str:
        """Return one line on what the training takes on a device of this speed."""
        rows, recipe, precision = self.rows, self.recipe, compute.precision
        on_gpu = compute.device.type == "cuda"
        used = training_memory(rows, recipe, precision).total
        memory = reserved_memory(rows, recipe, precision) if on_gpu else used
        return (
            f"{self.model} on this {compute.device} in {compute.precision}: "
            f"{_bytes(memory)}, {self.flops / flops_per_second / 3600:.2g} hours at the "
            f"{flops_per_second / 1e9:,.0f} GFLOP/s of matrix products"
        )


def footprint(
    model: str, params: Params, kind: Kind = FASHION_MNIST, images: int = 60_000
) -> Footprint:
    """Trace a model as its recipe builds it, without allocating memory, and estimate its training.

    Args:
        model: a module of fashion_cnn.models.
        params: how it is built and trained.
        kind: of the images.
        images: how many there are to train and validate on.

    Raises:
        ShapeError: a layer does not fit; names the model, the image size, the layer and its input.
    """
    recipe, validation_images = params.recipe(model), params.dataset.validation_images
    train_images = recipe.train_images or images - validation_images
    shape = (kind.channels, recipe.image_size, recipe.image_size)
    try:
        network = _built(model, {**recipe.architecture(), **kind.architecture()})
        rows = trace_network(network, shape, len(kind.classes))
        check_batch_of_one(network, shape)
    except ShapeError as error:
        place = f"{model}, image_size {recipe.image_size}"
        hint = f": raise {model}.image_size" if "padded size" in str(error) else ""
        raise ShapeError(f"{place}: {error}{hint}{_before(error)}") from None
    if train_images % recipe.batch_size == 1 or recipe.batch_size == 1:
        try:
            check_batch_of_one(network, shape, training=True)
        except ShapeError as error:
            raise ShapeError(
                f"{model}.batch_size: {recipe.batch_size} leaves a batch of one of {train_images} "
                f"images: change it or {model}.train_images. {error}{_before(error)}"
            ) from None
    flops = training_flops(rows, train_images, validation_images, recipe.epochs)
    return Footprint(model, recipe, rows, training_memory(rows, recipe), flops)


def training_flops(
    rows: Sequence[TracedLayer], train_images: int, validation_images: int, epochs: int
) -> int:
    """Estimate the floating-point operations of a training: two per multiply-accumulate.

    A training image takes a forward pass and a backward pass that costs twice as much, a
    validation image only a forward pass.
    """
    forward = 2 * sum(row.multiply_accumulates for row in rows)
    return forward * (3 * train_images + validation_images) * epochs


def _built(model: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return a model's network on the meta device; raise ShapeError where it cannot be built."""
    try:
        with torch.device("meta"):
            return models.build(model, **arguments)
    except (InputError, ImportError, SyntaxError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename.endswith(f"/{model}.py")]
        place = f"line {lines[-1]} of src/fashion_cnn/models/{model}.py" if lines else "build"
        raise ShapeError(f"{place}: {type(error).__name__}: {error}") from error


def _before(error: ShapeError) -> str:
    """Return the layers before a fault, one a line, with what they give for one image."""
    layers = (f"\n  {row.name} ({row.kind}): {_by(row.output_shape)}" for row in error.rows)
    return "".join(("\nThe layers before it give:", *layers)) if error.rows else ""


def _by(lengths: tuple[int, ...]) -> str:
    return " x ".join(map(str, lengths))


def _bytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
