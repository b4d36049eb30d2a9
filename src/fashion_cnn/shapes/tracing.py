"""A whole network traced in one call, from descriptions or straight from a module."""

from collections.abc import Sequence
from functools import partial
from math import prod
from warnings import catch_warnings

import torch
from torch import nn

from fashion_cnn.shapes.arithmetic import ShapeError, positive
from fashion_cnn.shapes.layers import Input, Layer, Shape, named
from fashion_cnn.shapes.modules import meta_twin
from fashion_cnn.shapes.receptive_field import ReceptiveField, receptive_fields
from fashion_cnn.shapes.recording import Record, TracedLayer


def trace(
    network: nn.Module | Sequence[Layer],
    input_shape: tuple[int, int, int] | None = None,
    *,
    element_bytes: int = 4,
) -> tuple[TracedLayer, ...]:
    """Each layer of a network in the order of use, without computing or allocating anything.

    Args:
        network: a list of layer descriptions, an `Input` first; or a module, in which every
            module that calls no other is a layer, named as in `named_modules`, and so is one
            that has weights of its own besides. The module itself is not run and not changed:
            what runs is a twin of it in inference mode, on torch's meta device.
        input_shape: (channels, height, width), with a module only.
        element_bytes: bytes an activation takes; 4 for float32.

    Raises:
        ShapeError: a layer does not fit to its input; names the layer, its kind and the input.
    """
    positive("element_bytes", element_bytes)
    if isinstance(network, nn.Module):
        return _trace_module(network, input_shape, element_bytes)
    if input_shape is not None:
        raise ShapeError(
            f"input_shape: expected None beside a list, whose Input says it, got {input_shape!r}"
        )
    return _trace_layers(network, element_bytes)


def _trace_layers(layers: Sequence[Layer], element_bytes: int) -> tuple[TracedLayer, ...]:
    if not isinstance(layers, tuple | list) or not layers or not isinstance(layers[0], Input):
        raise ShapeError(
            f"network: expected a module or a list of layers, an Input first, got {layers!r}"
        )
    rows = []
    shape: Shape = ()
    for (name, layer), seen in zip(named(layers), receptive_fields(layers), strict=True):
        try:
            output = layer.output(shape)
            rows.append(
                TracedLayer(
                    name=name,
                    kind=layer.kind,
                    output_shape=output,
                    parameters=layer.parameters(shape),
                    multiply_accumulates=layer.multiply_accumulates(shape),
                    activation_bytes=prod(output) * element_bytes,
                    receptive_field=None if seen is None else seen.size,
                )
            )
        except ShapeError as error:
            raise ShapeError(
                f"{name} ({layer.kind}): {error} from an input of shape {shape}"
            ) from None
        shape = output
    return tuple(rows)


def _trace_module(
    module: nn.Module, input_shape: tuple[int, int, int] | None, element_bytes: int
) -> tuple[TracedLayer, ...]:
    if not isinstance(input_shape, tuple | list) or len(input_shape) != 3:
        raise ShapeError(
            f"input_shape: expected (channels, height, width) with a module, got {input_shape!r}"
        )
    shape = [positive("input_shape", length) for length in input_shape]
    dtypes = (p.dtype for p in module.parameters() if p.is_floating_point())
    record = Record(element_bytes)
    # Tensors made in inference mode keep no version, by which the record knows them unaltered.
    inference = torch.inference_mode(mode=False)
    with inference, torch.no_grad(), torch.device("meta"), catch_warnings(action="ignore"):
        twin = meta_twin(module)
        for name, part in twin.named_modules():
            # A parametrization computes a weight of a layer, and is none itself.
            if "parametrizations" not in name.split("."):
                part.register_forward_pre_hook(partial(record.enter, name), with_kwargs=True)
                part.register_forward_hook(record.leave)
        try:
            images = torch.empty(1, *shape, dtype=next(dtypes, torch.float32))
            record.remember(images, ReceptiveField())
            with record:
                twin(images)
        except Exception as error:
            raise ShapeError(record.explain(error)) from error
    return tuple(record.rows)
