"""The memory that training a traced network takes."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from math import prod

from fashion_cnn.base.recipes import Precision, Recipe
from fashion_cnn.core.shapes import TracedLayer

# Layers whose backward pass reads their input, and those whose backward pass reads their output.
_READS_INPUT = {"Conv2d", "BatchNorm2d", "Linear", "TiledLinear", "MaxPool2d", "AveragePool"}
_READS_OUTPUT = {"ReLU"}


@dataclass(frozen=True)
class Memory:
    """Bytes that training takes at its peak, or one layer's share of them."""

    parameters: int
    gradients: int
    optimizer_state: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of the four."""
        return sum(astuple(self))


@dataclass(frozen=True)
class _Activations:
    """Bytes of a layer's output, and those kept for its own and for the next backward pass."""

    output: int
    own: int
    next: int


def training_memory(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision = "auto"
) -> Memory:
    """Estimate the peak memory of training, without the data set and the libraries.

    The peak is usually at the end of the forward pass, when everything the backward pass needs is
    kept and the previous step's gradients still exist. In a network of few weights, it is in the
    backward pass of an early layer, which adds the gradients of that layer's output and input.

    Args:
        rows: the traced network.
        recipe: how it is trained.
        precision: auto counts as float32, so that the estimate is the same on every machine;
            float32 takes more than bfloat16 for all but the smallest batches.
    """
    layers = layer_memory(rows, recipe, precision)
    sums = Memory(*(sum(column) for column in zip(*map(astuple, layers), strict=True)))
    peak, kept, given = sums.activations, _image_bytes(recipe), 0
    for layer in _activations(rows, recipe, precision):
        peak = max(peak, kept + layer.own + layer.output + given)
        kept += layer.own + layer.next
        given = layer.output
    return replace(sums, activations=peak)


def reserved_memory(rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision) -> int:
    """Estimate the bytes that torch takes of a GPU, which are more than it uses at its peak.

    Its blocks do not fit without gaps; a CUDA graph has memory of its own; and validation runs
    beside it, which takes some three of the largest outputs. The numbers fit eleven trainings of
    the three networks within 25%; the libraries' workspaces come on top.
    """
    largest = max(layer.output for layer in _activations(rows, recipe, precision))
    used = training_memory(rows, recipe, precision).total
    return int(1.55 * used + 3.3 * largest + 100e6)


def layer_memory(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision = "auto"
) -> list[Memory]:
    """Estimate each layer's memory at the end of the forward pass; the first holds the images."""
    copies = recipe.extra_weight_copies()
    kept = [layer.own + layer.next for layer in _activations(rows, recipe, precision)]
    kept[0] += _image_bytes(recipe)
    return [
        Memory(4 * row.parameters, 4 * row.parameters, copies * 4 * row.parameters, activations)
        for row, activations in zip(rows, kept, strict=True)
    ]


def _activations(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision
) -> list[_Activations]:
    lower = precision in {"bfloat16", "float16"}
    width = 2 if lower else 4
    layers = []
    for row, following in zip(rows, [*(row.kind for row in rows[1:]), None], strict=True):
        values = recipe.batch_size * prod(row.output_shape)
        own = values * width if row.kind in _READS_OUTPUT else 0
        match row.kind:
            case "MaxPool2d":
                own += values * 8  # the place of each maximum, int64
            case "Dropout":
                own += values * width  # the mask
            case "TiledLinear":
                own += row.multiply_accumulates * width  # the summed weight
            case "Conv2d" | "Linear" if lower:
                own += row.parameters * width  # autocast's copy
        needed = following in _READS_INPUT and row.kind not in _READS_OUTPUT
        layers.append(_Activations(values * width, own, values * width if needed else 0))
    return layers


def _image_bytes(recipe: Recipe) -> int:
    return 4 * recipe.batch_size * recipe.image_size**2
