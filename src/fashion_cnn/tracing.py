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

from fashion_cnn.core.shapes import (
    Activation,
    Conv,
    Layer,
    Pool,
    ReceptiveField,
    ShapeError,
    TracedLayer,
    TransposedConv,
    conv_padding,
)
from fashion_cnn.core.shapes.arithmetic import positive
from fashion_cnn.core.shapes.layers import Shape

# More than one, so that a network that mixes images with one another shows it.
IMAGES = 2
# At inference, their output at a pixel depends on the input at that pixel alone.
_POINTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish),
    *(nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity),
)


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
        given = _first_tensor((args, kwargs))
        label = f"{name} ({type(module).__name__})" if name else type(module).__name__
        field = self.field_of(given)
        self.running.append(_Call(label, module, given, field, self.flops_in_no_row()))
        shape = tuple(given.shape[1:])
        if isinstance(module, nn.Linear | nn.Conv2d) and given.dtype != module.weight.dtype:
            # On the meta device torch takes any, in training it does not.
            expected = f"expected an input of {module.weight.dtype}, like the layer's weights"
            raise ShapeError(f"{expected}, got {given.dtype}")
        if isinstance(module, nn.Linear):
            self.require_apart("input", given)
        if isinstance(module, nn.TransformerEncoderLayer | nn.MultiheadAttention | nn.RNNBase):
            first = getattr(module, "self_attn", module).batch_first
            if not first and given.shape[0] == self.images != given.shape[1]:
                raise ShapeError(
                    f"expected the sequence first, got {tuple(given.shape)} for {self.images} "
                    "images, which it would mix: build it with batch_first=True"
                )
        _require_fit(module, shape, is_image=field is not None or self.still_has_channels(shape))

    def still_has_channels(self, shape: Shape) -> bool:
        """Return whether a shape is (C, H, W) as the last layer's, and not (H, W, C)."""
        last = self.rows[-1].output_shape if self.rows else ()
        return len(shape) == len(last) == 3 and shape[0] == last[0] != shape[2]

    def require_apart(self, what: str, tensor: Tensor) -> None:
        """Raise an error where a tensor does not hold one row for each image."""
        if tensor.shape[:1] != (self.images,):
            images = f"{self.images} images" if self.images > 1 else "a single image"
            raise ShapeError(
                f"expected an {what} ({self.images}, ...) for {images}, got "
                f"{tuple(tensor.shape)}: keep images apart, say with nn.Flatten() or x.flatten(1)"
            )

    def leave(self, name: str, module: nn.Module, _: object, result: object) -> None:
        """After a module has run, add its row if it is a layer."""
        # A module that failed is still listed if its caller caught the error and went on.
        while self.running[-1].module is not module:
            self.running.pop()
        call, output = self.running[-1], _first_tensor(result)
        if not output.ndim:
            raise ShapeError("expected forward to return a tensor: does it end with a return?")
        self.require_apart("output", output)
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
        layer = _described(module)
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


def _require_fit(module: nn.Module, shape: Shape, *, is_image: bool) -> None:
    """Raise an error that says more than torch's, or that torch does not raise on meta."""
    match module:
        case nn.Linear() if is_image:
            raise ShapeError("expected a vector (features,): a Flatten belongs before this layer")
        case nn.Linear() if shape[-1] != module.in_features:
            fitting = f"make it {type(module).__name__}({shape[-1]}, {module.out_features})"
            raise ShapeError(
                f"expected {module.in_features} input features, got {shape[-1]}: {fitting}"
            )
        case nn.Conv2d() | nn.ConvTranspose2d() if shape[0] != module.in_channels:
            raise ShapeError(f"expected {module.in_channels} input channels, got {shape[0]}")
    layer = _described(module)
    if layer is not None and len(shape) == 3:
        layer.output(shape)


def _described(module: Any) -> Layer | None:
    """Return one of torch's layers as its description, None for any other module.

    Every pointwise layer is described as an `Activation`.
    """
    kind = type(module)
    if kind in (nn.Conv2d, nn.ConvTranspose2d):
        padding = 0 if module.padding == "valid" else module.padding
        if padding == "same":
            padding = conv_padding(1, 1, module.kernel_size, dilation=module.dilation)
        numbers = (module.out_channels, module.kernel_size, module.stride, padding)
        if kind is nn.Conv2d:
            return Conv(*numbers, module.dilation, module.groups)
        extra = module.output_padding
        return TransposedConv(*numbers, module.dilation, module.groups, output_padding=extra)
    if kind in (nn.MaxPool2d, nn.AvgPool2d):
        dilation = getattr(module, "dilation", 1)
        return Pool(module.kernel_size, module.stride, module.padding, dilation, module.ceil_mode)
    return Activation() if kind in _POINTWISE else None


def _first_tensor(value: object) -> Tensor:
    """Return the first tensor in nested tuples, lists and dicts; a scalar if there is none."""
    return next((leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)), torch.empty(()))
