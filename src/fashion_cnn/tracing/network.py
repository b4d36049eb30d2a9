"""A network's layers, what each gives and what it costs, seen in one run on the meta device."""

import copy
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.core.shapes import ReceptiveField, ShapeError, TracedLayer
from fashion_cnn.core.shapes.arithmetic import positive
from fashion_cnn.core.shapes.layers import Shape
from fashion_cnn.tracing.layers import described, require_apart, require_fit

# More than one, so that a network that mixes images with one another shows it.
IMAGES = 2


def trace_network(
    network: nn.Module, input_shape: tuple[int, int, int], num_outputs: int | None = None
) -> tuple[TracedLayer, ...]:
    """Return one row per layer of a network, in the order of use.

    A layer is a module that calls no other, or that also has weights or multiplications of its
    own. The network itself is neither run nor changed: a copy of it runs on the meta device.

    Args:
        network: its layers are named as in `named_modules`.
        input_shape: (channels, height, width) of one image.
        num_outputs: what it must give for one image; None for anything.

    Raises:
        ShapeError: a layer does not fit its input, or mixes images with one another (names the
            layer, its kind and its input's shape, and holds the rows before it); or the network
            cannot be copied or run.
    """
    return tuple(_run(network, input_shape, _Trace(IMAGES, num_outputs)).rows)


def check_batch_of_one(
    network: nn.Module, input_shape: tuple[int, int, int], *, training: bool = False
) -> None:
    """Run a network on a single image; in training, batch norm may refuse it.

    Raises:
        ShapeError: a layer needs more than one image; as in `trace_network`.
    """
    _run(network, input_shape, _Trace(1, None), training=training)


def _run(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    trace: "_Trace",
    *,
    training: bool = False,
) -> "_Trace":
    if not isinstance(input_shape, tuple | list) or len(input_shape) != 3:
        raise ShapeError(f"input_shape: expected (channels, height, width), got {input_shape!r}")
    shape = [positive("input_shape", length) for length in input_shape]
    # A tensor made in inference mode has no version, which tells whether it was changed in place.
    with torch.inference_mode(False), torch.no_grad(), torch.device("meta"), trace:
        try:
            twin = _copy_on_meta(network).train(training)
            for name, module in twin.named_modules():
                module.register_forward_pre_hook(partial(trace.enter, name), with_kwargs=True)
                module.register_forward_hook(partial(trace.leave, name))
            dtypes = (weight.dtype for weight in twin.parameters() if weight.is_floating_point())
            images = torch.empty(trace.images, *shape, dtype=next(dtypes, torch.float32))
            trace.remember(images, ReceptiveField())
            twin(images)
        except Exception as error:
            raise ShapeError(trace.explain(error), trace.rows) from error
    return trace


@dataclass
class _Call:
    """A running module, its input, and how many operations before it are in no row."""

    label: str
    module: nn.Module
    given: Tensor
    field: ReceptiveField | None
    flops_before: int
    is_layer: bool = True


class _Trace(FlopCounterMode):
    """The rows of the layers that have run, and the modules that are running."""

    def __init__(self, images: int, num_outputs: int | None) -> None:
        super().__init__(display=False)
        self.images, self.num_outputs = images, num_outputs
        self.rows: list[TracedLayer] = []
        self.running: list[_Call] = []
        self.counted: set[Tensor] = set()
        self.fields: dict[Tensor, tuple[int, ReceptiveField | None]] = {}

    def remember(self, tensor: Tensor, field: ReceptiveField | None) -> None:
        """Keep a tensor's receptive field, which holds until the tensor is changed in place."""
        self.fields[tensor] = tensor._version, field

    def field_of(self, tensor: Tensor) -> ReceptiveField | None:
        version, field = self.fields.get(tensor, (0, None))
        return field if tensor._version == version else None

    def enter(self, name: str, module: nn.Module, args: object, kwargs: object) -> None:
        """Before a module runs, note its input and check that it fits."""
        if self.running:
            self.running[-1].is_layer = False
        given = first_tensor((args, kwargs))
        label = f"{name} ({type(module).__name__})" if name else type(module).__name__
        field = self.field_of(given)
        self.running.append(_Call(label, module, given, field, self.flops_in_no_row()))
        is_image = field is not None or self.still_has_channels(tuple(given.shape[1:]))
        require_fit(module, given, self.images, is_image=is_image)

    def still_has_channels(self, shape: Shape) -> bool:
        """Return whether a shape is (C, H, W) as the last layer's, and not (H, W, C)."""
        last = self.rows[-1].output_shape if self.rows else ()
        return len(shape) == len(last) == 3 and shape[0] == last[0] != shape[2]

    def leave(self, name: str, module: nn.Module, _: object, result: object) -> None:
        """After a module has run, add its row if it is a layer."""
        # A module that failed is still listed if its caller caught the error and went on.
        while self.running[-1].module is not module:
            self.running.pop()
        call, output = self.running[-1], first_tensor(result)
        if not output.ndim:
            raise ShapeError("expected forward to return a tensor: does it end with a return?")
        require_apart("output", output, self.images)
        if not name and self.num_outputs and not isinstance(result, Tensor):
            raise ShapeError(
                f"expected forward to return one tensor, the logits, got a {type(result).__name__}"
            )
        if not name and self.num_outputs and output.shape[1:] != (self.num_outputs,):
            raise ShapeError(
                f"expected {self.num_outputs} numbers for each image, one for each class, got "
                f"{tuple(output.shape[1:])}: end with nn.Flatten() and "
                f"nn.Linear(..., {self.num_outputs})"
            )
        layer = described(module)
        if layer is not None:
            self.remember(output, call.field and call.field.grown(layer))
        field = self.field_of(output)
        own = set(module.parameters(recurse=call.is_layer)) - self.counted
        self.counted |= own
        multiply_accumulates = (self.flops_in_no_row() - call.flops_before) // (2 * self.images)
        if call.is_layer or own or multiply_accumulates:
            self.rows.append(
                TracedLayer(
                    name=name,
                    kind=type(module).__name__,
                    output_shape=tuple(output.shape[1:]),
                    parameters=sum(weight.numel() for weight in own),
                    multiply_accumulates=multiply_accumulates,
                    activation_bytes=4 * output[0].numel(),
                    receptive_field=field.size if field else None,
                )
            )
        self.running.pop()

    def flops_in_no_row(self) -> int:
        in_rows = sum(row.multiply_accumulates for row in self.rows)
        return self.get_total_flops() - 2 * self.images * in_rows

    def explain(self, error: Exception) -> str:
        """Return what went wrong, where, and with which input."""
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        if not self.running:
            return f"network: expected a module that can be copied and run, but {reason}"
        call = self.running[-1]
        if call.is_layer or not self.rows:
            return f"{call.label}: {reason}; its input has shape {tuple(call.given.shape[1:])}"
        last = self.rows[-1]
        after = f"{call.label}: {reason}, after {last.name} ({last.kind}) gave {last.output_shape}"
        # What torch says of a view and of a matrix product that do not fit.
        if any(part in reason for part in ("invalid for input", "mat1 and mat2", "reduction dim")):
            after += f": x.flatten(1) gives {prod(last.output_shape)} features per image"
        return after


def _copy_on_meta(network: nn.Module) -> nn.Module:
    """Return a copy whose tensors take no memory."""
    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            place = f"{name or 'it'} is one of torch.jit"
            raise ShapeError(f"{place}: build the network of plain nn.Modules, and script it later")
        if any(isinstance(weight, UninitializedParameter) for weight in module.parameters(False)):
            kind = type(module).__name__
            raise ShapeError(
                f"{name or 'it'} is a {kind}, whose size is not known before it has run: build a "
                f"{kind.removeprefix('Lazy')} from the image size, channels and classes"
            )
    tensors = [
        tensor
        for module in network.modules()
        for tensor in (*module.parameters(False), *module.buffers(False), *vars(module).values())
        if isinstance(tensor, Tensor)
    ]
    # deepcopy takes what is in its memo instead of making a copy.
    memo: dict[int, Any] = {id(tensor): tensor.detach().to("meta") for tensor in tensors}
    return copy.deepcopy(network, memo)


def first_tensor(value: object) -> Tensor:
    """Return the first tensor in nested tuples, lists and dicts; a scalar if there is none."""
    return next((leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)), torch.empty(()))
