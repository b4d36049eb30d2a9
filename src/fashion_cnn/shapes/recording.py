"""What a running network's layers give, hold, cost and look at, recorded a row each."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from fashion_cnn.shapes.arithmetic import Pair, ShapeError
from fashion_cnn.shapes.layers import Shape
from fashion_cnn.shapes.modules import described, misfit, multiply_accumulates
from fashion_cnn.shapes.receptive_field import ReceptiveField, grown, window


@dataclass(frozen=True)
class TracedLayer:
    """One layer of a traced network, for one image.

    `output_shape` is without the batch. `parameters` counts weights and biases where they are
    first used, so that a column sums to the network's. `multiply_accumulates` counts
    multiplications by a weight in convolutions, transposed convolutions and linear layers.
    `activation_bytes` is what the output takes. `receptive_field` is (height, width) in pixels of
    the input, or None where it has no meaning: for a vector, windows of unequal size, and any
    layer whose input does not come from another layer's output alone (but from a sum, say).
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_accumulates: int
    activation_bytes: int
    receptive_field: Pair | None


@dataclass
class Call:
    """A module that runs, under `name`, on the tensor `given`."""

    name: str
    module: nn.Module
    given: Tensor
    seen: ReceptiveField | None
    is_layer: bool = True
    multiply_accumulates: int = 0

    @property
    def shape(self) -> Shape:
        """Shape of what is given, without the batch."""
        return tuple(self.given.shape[1:])

    def __str__(self) -> str:
        kind = type(self.module).__name__
        return f"{self.name} ({kind})" if self.name else kind


class Record(TorchDispatchMode):
    """A row for each layer of a network that runs in this mode, with the hooks on its modules."""

    def __init__(self, element_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: list[TracedLayer] = []
        self.element_bytes = element_bytes
        self.running: list[Call] = []
        self.counted: set[Tensor] = set()
        # By the id of a tensor: the tensor, lest another takes its id; its version, which a
        # change in place raises; what its values look at.
        self.fields: dict[int, tuple[Tensor, int, ReceptiveField | None]] = {}

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.running:
            self.running[-1].multiply_accumulates += multiply_accumulates(func, args, result)
        given = [arg for arg in args if isinstance(arg, Tensor)]
        # relu(conv(x)) looks at what conv(x) does, also where relu is no module.
        if torch.Tag.pointwise in func.tags and len(given) == 1:
            # Of a change in place, torch raises the version after this has returned.
            self.remember(result, self.field_of(given[0]), changes=int(result is given[0]))
        return result

    def remember(self, tensor: Tensor, seen: ReceptiveField | None, changes: int = 0) -> None:
        """Keep a tensor's receptive field, until the tensor changes more often than `changes`."""
        self.fields[id(tensor)] = tensor, tensor._version + changes, seen

    def field_of(self, tensor: Tensor) -> ReceptiveField | None:
        """What is known of a tensor, None where it is not known or not as it was."""
        _, version, seen = self.fields.get(id(tensor), (tensor, 0, None))
        return seen if tensor._version == version else None

    def enter(self, name: str, module: nn.Module, args: object, kwargs: object) -> None:
        """Hook before a module's forward."""
        if self.running:
            self.running[-1].is_layer = False
        given = _first_tensor((args, kwargs))
        self.running.append(Call(name, module, given, self.field_of(given)))

    def leave(self, module: nn.Module, _: object, result: object) -> None:
        """Hook after a module's forward."""
        # A call that failed, and whose caller took it lightly, has not left.
        while self.running[-1].module is not module:
            self.running.pop()
        call, output = self.running[-1], _first_tensor(result)
        seen = self._look(call, output)
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

    def _look(self, call: Call, output: Tensor) -> ReceptiveField | None:
        layer = described(call.module)
        if layer is None:
            return self.field_of(output)
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
