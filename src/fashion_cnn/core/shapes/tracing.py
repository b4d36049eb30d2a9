"""A described network traced in one call: one row per layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from fashion_cnn.core.shapes.arithmetic import Pair, ShapeError
from fashion_cnn.core.shapes.layers import Input, Layer, Shape
from fashion_cnn.core.shapes.receptive_field import ReceptiveField


@dataclass(frozen=True)
class TracedLayer:
    """One layer of a traced network, for one image.

    Attributes:
        output_shape: without the batch.
        parameters: weights and biases that no earlier layer uses, so that the column sums to the
            network's.
        multiply_accumulates: multiplications in convolutions and matrix products.
        activation_bytes: what the output takes in float32.
        receptive_field: (height, width) in pixels of the input. None where it has no meaning: for
            a vector, for windows of unequal size, and where the layer's input is not another
            layer's output (but the sum of two, say).
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_accumulates: int
    activation_bytes: int
    receptive_field: Pair | None


def trace(layers: Sequence[Layer]) -> tuple[TracedLayer, ...]:
    """Return one row per layer of a list that begins with an `Input`.

    Raises:
        ShapeError: a layer does not fit its input; names the layer, its kind and the input.
    """
    if not isinstance(layers, tuple | list) or not layers or not isinstance(layers[0], Input):
        raise ShapeError(f"layers: expected a list of layers, an Input first, got {layers!r}")
    rows = []
    shape: Shape = ()
    field: ReceptiveField | None = ReceptiveField()
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ShapeError(f"layers[{position}]: expected a layer's description, got {layer!r}")
        name = layer.name or f"{layer.kind.lower()}{position}"
        try:
            output, field = layer.output(shape), field and field.grown(layer)
            rows.append(
                TracedLayer(
                    name=name,
                    kind=layer.kind,
                    output_shape=output,
                    parameters=layer.parameters(shape),
                    multiply_accumulates=layer.multiply_accumulates(shape),
                    activation_bytes=4 * prod(output),
                    receptive_field=field.size if field else None,
                )
            )
        except ShapeError as error:
            raise ShapeError(
                f"{name} ({layer.kind}): {error}; its input has shape {shape}", rows
            ) from None
        shape = output
    return tuple(rows)
