"""A whole network traced in one call: what each layer gives, holds, costs and looks at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any
from warnings import catch_warnings

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fashion_cnn.shapes.arithmetic import Pair, ShapeError, positive
from fashion_cnn.shapes.layers import Input, Layer, Shape, named
from fashion_cnn.shapes.modules import described, meta_twin, misfit, multiply_accumulates
from fashion_cnn.shapes.receptive_field import ReceptiveField, grown, receptive_fields, window


@dataclass(frozen=True)
class TracedLayer:
    """One layer of a traced network, for one image.

    `output_shape` is without the batch. `parameters` counts weights and biases where they are
    first used, so that a column sums to the network's. `multiply_accumulates` counts
    multiplications by a weight in convolutions, transposed convolutions and linear layers.
    `activation_bytes` is what the output takes. `receptive_field` is (height, width) in pixels of
    the input, or None where it has no meaning: for a vector, windows of unequal size, and any
    layer whose input is not itself another layer's output (but a sum of two, say).
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_accumulates: int
    activation_bytes: int
    receptive_field: Pair | None


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
    record = _Record(element_bytes)
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


@dataclass
class _Call:
    name: str
    module: nn.Module
    given: Tensor
    seen: ReceptiveField | None
    is_layer: bool = True
    multiply_accumulates: int = 0

    @property
    def shape(self) -> Shape:
        return tuple(self.given.shape[1:])

    def __str__(self) -> str:
        kind = type(self.module).__name__
        return f"{self.name} ({kind})" if self.name else kind


class _Record(TorchDispatchMode):
    """A row for each layer of a network that runs, written by hooks before and after it."""

    def __init__(self, element_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: list[TracedLayer] = []
        self.element_bytes = element_bytes
        self.running: list[_Call] = []
        self.counted: set[Tensor] = set()
        # By the id of the tensor: the tensor itself, lest another takes its id; its version,
        # which any change in place raises; the receptive field of its values.
        self.known: dict[int, tuple[Tensor, int, ReceptiveField | None]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for call in self.running[-1:]:
            call.multiply_accumulates += multiply_accumulates(func, args, result)
        return result

    def remember(self, tensor: Tensor, seen: ReceptiveField | None) -> None:
        self.known[id(tensor)] = tensor, tensor._version, seen

    def enter(self, name: str, module: nn.Module, args: object, kwargs: object) -> None:
        if self.running:
            self.running[-1].is_layer = False
        given = _first_tensor((args, kwargs))
        _, version, seen = self.known.get(id(given), (given, 0, None))
        self.running.append(_Call(name, module, given, seen if given._version == version else None))

    def leave(self, module: nn.Module, _: object, result: object) -> None:
        # A call that failed, and whose caller took it lightly, has not left.
        while self.running[-1].module is not module:
            self.running.pop()
        call, output = self.running[-1], _first_tensor(result)
        seen = self._look(call)
        if call.is_layer:
            self.remember(output, seen)
        # A layer's are all that lie within, a container's those that none of its layers has.
        own = set(module.parameters(recurse=call.is_layer)) - self.counted
        self.counted |= own
        if call.is_layer or own or call.multiply_accumulates:
            self.rows.append(
                TracedLayer(
                    name=call.name,
                    kind=type(module).__name__,
                    output_shape=tuple(output.shape[1:]),
                    parameters=sum(parameter.numel() for parameter in own),
                    multiply_accumulates=call.multiply_accumulates,
                    activation_bytes=output.numel() * self.element_bytes,
                    receptive_field=None if seen is None else seen.size,
                )
            )
        self.running.pop()

    def explain(self, error: Exception) -> str:
        """What went wrong, where, and with which input."""
        text = str(error).strip().split("\n")[0] or type(error).__name__
        if not self.running:
            return f"network: {text}"
        call = self.running[-1]
        if not call.is_layer and self.rows:
            last = self.rows[-1]
            return f"{call}: {text}, after {last.name} ({last.kind}) gave {last.output_shape}"
        reason = misfit(call.module, call.shape) or text
        return f"{call}: {reason} from an input of shape {self._unflattened(call.shape)}"

    def _look(self, call: _Call) -> ReceptiveField | None:
        layer = described(call.module)
        if layer is None:
            return None
        # The meta device lets pass convolutions that would fail on any other.
        wrong = misfit(call.module, call.shape) if call.given.ndim == 4 else None
        if wrong is not None:
            raise ShapeError(wrong)
        return grown(call.seen, window(layer))

    def _unflattened(self, shape: Shape) -> Shape:
        """The image that a vector was, if only layers without weights are in between."""
        for row in reversed(self.rows):
            if row.multiply_accumulates or prod(row.output_shape) != prod(shape):
                break
            if len(row.output_shape) == 3:
                return row.output_shape
        return shape


def _first_tensor(value: object) -> Tensor:
    """The first tensor in nested tuples, lists and dicts; an empty one where there is none."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    parts = value if isinstance(value, tuple | list) else ()
    found = (tensor for tensor in map(_first_tensor, parts) if tensor.numel())
    return next(found, torch.empty(0))
