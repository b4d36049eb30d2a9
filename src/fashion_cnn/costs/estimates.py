"""What training a traced network takes: memory and arithmetic."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from math import prod

from fashion_cnn.base.recipes import Precision, Recipe
from fashion_cnn.shapes import TracedLayer

# Layers whose backward pass reads their input, and those whose reads their output.
_READS_INPUT = {"Conv2d", "Linear", "TiledLinear", "MaxPool2d", "AdaptiveAvgPool2d"}
_READS_OUTPUT = {"ReLU"}


@dataclass(frozen=True)
class Memory:
    """Bytes that training takes at its peak, or a layer's share of them."""

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
    """Bytes of a layer: its output; what is kept for its own backward pass, for the next one's."""

    output: int
    own: int
    next: int


def training_memory(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision = "auto"
) -> Memory:
    """Estimate the memory at the peak of training, without the data set and the libraries' own.

    The peak is at the end of the forward pass, when all that the backward pass needs is there and
    the last step's gradients still are; or, in a network of few weights, in the backward pass of
    an early layer, whose output's and input's gradients come on top of what is left.

    Args:
        rows: the network, as traced.
        recipe: how it is trained.
        precision: what is computed in. auto counts as float32, the same on every machine; it
            takes more than bfloat16 for all but the smallest batches.
    """
    layers = layer_memory(rows, recipe, precision)
    sums = Memory(*(sum(column) for column in zip(*map(astuple, layers), strict=True)))
    peak, kept, given = sums.activations, _image_bytes(recipe), 0
    for layer in _activations(rows, recipe, precision):
        peak = max(peak, kept + layer.own + layer.output + given)
        kept += layer.own + layer.next
        given = layer.output
    return replace(sums, activations=peak)


def layer_memory(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision = "auto"
) -> list[Memory]:
    """Estimate each layer's share at the end of the forward pass; the first has the images."""
    states = int(recipe.momentum > 0) if recipe.optimizer == "sgd" else 2
    # Copies of the weights count as such states: their average, and those of the best epoch.
    states += (recipe.ema_decay is not None) + (recipe.keep == "best")
    kept = [layer.own + layer.next for layer in _activations(rows, recipe, precision)]
    kept[0] += _image_bytes(recipe)
    return [
        Memory(4 * row.parameters, 4 * row.parameters, states * 4 * row.parameters, activations)
        for row, activations in zip(rows, kept, strict=True)
    ]


def training_flops(
    rows: Sequence[TracedLayer], train_images: int, validation_images: int, epochs: int
) -> int:
    """Count the floating-point operations of a training, two a multiply-accumulate.

    A training image takes a forward pass and a backward pass of twice its cost, a validation
    image a forward pass.
    """
    forward = 2 * sum(row.multiply_accumulates for row in rows)
    return forward * (3 * train_images + validation_images) * epochs


def _activations(
    rows: Sequence[TracedLayer], recipe: Recipe, precision: Precision
) -> list[_Activations]:
    lower = precision == "bfloat16"
    width = 2 if lower else 4
    layers = []
    for row, following in zip(rows, [*(row.kind for row in rows[1:]), None], strict=True):
        values = recipe.batch_size * prod(row.output_shape)
        own = values * width if row.kind in _READS_OUTPUT else 0
        match row.kind:
            case "MaxPool2d":
                own += values * 8  # where each maximum was, int64
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
