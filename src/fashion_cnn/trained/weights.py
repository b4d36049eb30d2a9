"""Trained networks as safetensors files whose metadata says how to rebuild the network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS, build
from fashion_cnn.base.params import Pictures
from fashion_cnn.base.recipes import Argument, ImageSize
from fashion_cnn.base.settings import Section, check
from fashion_cnn.dataset.images import Transform
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind
from fashion_cnn.trained import tensor_files
from fashion_cnn.trained.tensor_files import DamagedError

# Far beyond what training leads to: what such weights compute may well overflow.
MAX_WEIGHT = 1e4


class TransformValues(Section):
    """The transform of the network's input."""

    image_size: ImageSize
    mean: float
    standard_deviation: Annotated[float, Field(gt=0)]


class KindValues(Section):
    """The kind of images that the network is for."""

    classes: Annotated[list[str], Field(min_length=2)] = Field(default=[*FASHION_MNIST.classes])
    channels: Literal[1, 3] = 1
    size: Annotated[list[ImageSize], Field(min_length=2, max_length=2)] = Field(
        default=[*FASHION_MNIST.size]
    )

    def kind(self) -> Kind:
        """Return the kind with these values."""
        height, width = self.size
        return Kind(tuple(self.classes), self.channels, (height, width))


class MadeWith(Section):
    """Where the weights come from; only the precision decides how they are used."""

    model_config = ConfigDict(extra="allow")

    precision: Literal["bfloat16", "float16", "float32"] = "float32"


class Metadata(Section):
    """What a file of weights says about the network, all but its digest."""

    model: str
    architecture: dict[str, Argument]
    images: KindValues = KindValues()
    pictures: Pictures | None = None
    transform: TransformValues
    recipe: dict[str, Any]
    made_with: MadeWith


@dataclass(frozen=True)
class Trained:
    """A trained network on the CPU, its input's kind and transform, and how it was made."""

    network: nn.Module
    transform: Transform
    recipe: Mapping[str, Any]
    made_with: Mapping[str, Any]
    kind: Kind = FASHION_MNIST
    pictures: Pictures | None = None
    """How picture files become such images; None for the data set's own way."""

    def batch_size(self, asked: int, device: torch.device) -> int:
        """Return a batch size whose prediction takes no more of a GPU than the training took.

        A prediction keeps two layers' outputs of a batch, a training those of all layers.
        """
        trained_with = self.recipe.get("batch_size")
        return asked if device.type != "cuda" or not trained_with else min(asked, 2 * trained_with)

    @property
    def precision(self) -> str:
        """What the network was trained in, and is therefore evaluated and used in."""
        return str(self.made_with.get("precision", "float32"))


def save(
    path: Path,
    network: nn.Module,
    *,
    model: str,
    architecture: Mapping[str, Any],
    kind: Kind = FASHION_MNIST,
    pictures: Pictures | None = None,
    transform: Transform,
    recipe: Mapping[str, Any],
    made_with: Mapping[str, Any],
) -> None:
    """Write the weights, with all that is needed to rebuild the network as metadata, atomically.

    Args:
        path: the safetensors file.
        network: on any device, in any memory format; written as contiguous float32.
        model: the module of fashion_cnn.models that builds the network.
        architecture: the arguments of that module's `build`, but those that `kind` gives.
        kind: of the images that it was trained on.
        pictures: how picture files become such images; None for Fashion-MNIST's own way.
        transform: what images go through before the network.
        recipe: the params that it was trained with.
        made_with: where the weights come from: device, precision, versions.
    """
    description = {
        "model": model,
        "architecture": dict(architecture),
        "images": asdict(kind),
        "pictures": pictures and pictures.model_dump(),
        "transform": asdict(transform),
        "recipe": dict(recipe),
        "made_with": dict(made_with),
    }
    tensor_files.write(path, network.state_dict(), description)


def save_kernels(path: Path, network: nn.Module) -> None:
    """Write every convolution's weight, by its name, as contiguous float32, atomically."""
    tensor_files.write(path, _kernels(network), {})


def load_kernels(path: Path, model: str, network: nn.Module) -> dict[str, Tensor]:
    """Return every convolution's weight (out, in, h, w) from a file that `save_kernels` wrote.

    Args:
        path: the safetensors file.
        model: as in fashion_cnn.models.
        network: the network after its training.

    Raises:
        InputError: the file is missing, damaged, or of another network.
    """
    _, tensors = _read(path, model)
    expected = _kernels(network)
    if {n: k.shape for n, k in tensors.items()} != {n: k.shape for n, k in expected.items()}:
        raise InputError(f"{path} does not fit the network: {_hint(model)}")
    return {name.removesuffix(".weight"): kernel for name, kernel in tensors.items()}


def load(path: Path, model: str) -> Trained:
    """Rebuild the network of `model` from a file that `save` wrote.

    Raises:
        InputError: the file is missing, damaged, or not of this model.
    """
    description, tensors = _read(path, model)
    try:
        metadata = check(Metadata, description, "its metadata")
        if metadata.model != model:
            raise InputError(f"it holds {metadata.model!r}, not {model!r}")
        kind = metadata.images.kind()
        transform = Transform(**metadata.transform.model_dump())
        if transform.image_size != metadata.architecture.get("image_size"):
            raise InputError("its transform is for another image_size than its network")
        with torch.device("meta"):
            network = build(model, **metadata.architecture, **kind.architecture())
        network.load_state_dict(tensors, assign=True)
        network.to(memory_format=torch.channels_last)
    except (InputError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the network ({reason}): {_hint(model)}") from None
    made_with = metadata.made_with.model_dump(exclude_unset=True)
    return Trained(network.eval(), transform, metadata.recipe, made_with, kind, metadata.pictures)


def _kernels(network: nn.Module) -> dict[str, Tensor]:
    """Return every convolution's weight (out, in, h, w), by its name in the state dict."""
    return {
        f"{name}.weight": module.weight.detach()
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }


def _read(path: Path, model: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a file's description and its tensors, all of them finite float32."""
    if not path.is_file():
        raise InputError(f"{path} is missing: {_hint(model)}")
    try:
        description, tensors = tensor_files.read(path)
    except DamagedError as error:
        raise InputError(
            f"{path} is damaged or not from this project ({error}): {_hint(model)}"
        ) from None
    for name, tensor in tensors.items():
        if tensor.dtype == torch.int64 and not tensor.ndim:
            continue  # batch norm's number of batches
        # One pass over the values: NaN is neither above nor below.
        if tensor.dtype != torch.float32:
            fault = f"expected float32, got {tensor.dtype}"
        elif tensor.numel() and not all(abs(end) <= MAX_WEIGHT for end in tensor.aminmax()):
            fault = f"expected numbers from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}, got others"
        else:
            continue
        raise InputError(f"{path}: {name}: {fault}: {_hint(model)}")
    return description, tensors


def _hint(model: str) -> str:
    return f"make it with `dvc repro {MODELS[model]}`"
