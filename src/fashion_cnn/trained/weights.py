"""Trained networks as safetensors files whose metadata says how to rebuild the network."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import written_atomically
from fashion_cnn.base.models import MODELS, build
from fashion_cnn.dataset.images import Transform

# safetensors writes metadata keys in random order: a single key keeps the bytes the same.
METADATA_KEY = "fashion_cnn"


@dataclass(frozen=True)
class Trained:
    """A trained network on the CPU, the transform of its input, and how it was made."""

    network: nn.Module
    transform: Transform
    recipe: Mapping[str, Any]
    made_with: Mapping[str, Any]

    @property
    def precision(self) -> str:
        """What the network was trained in, and is therefore evaluated and used in."""
        return str(self.made_with.get("precision", "float32"))


def save(
    path: Path,
    network: nn.Module,
    *,
    model: str,
    architecture: Mapping[str, int],
    transform: Transform,
    recipe: Mapping[str, Any],
    made_with: Mapping[str, Any],
) -> None:
    """Write the weights, with all that is needed to rebuild the network as metadata, atomically.

    Args:
        path: the safetensors file.
        network: on any device, in any memory format; written as contiguous float32.
        model: the module of fashion_cnn.models that builds the network.
        architecture: the arguments of that module's `build`.
        transform: what images go through before the network.
        recipe: the params that it was trained with.
        made_with: where the weights come from: device, precision, versions.
    """
    description = {
        "model": model,
        "architecture": dict(architecture),
        "transform": asdict(transform),
        "recipe": dict(recipe),
        "made_with": dict(made_with),
    }
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with written_atomically(path) as unfinished:
        save_file(tensors, unfinished, {METADATA_KEY: json.dumps(description, sort_keys=True)})


def save_kernels(path: Path, network: nn.Module) -> None:
    """Write every convolution's weight, by its name, as contiguous float32, atomically."""
    kernels = {
        f"{name}.weight": module.weight.detach().cpu().contiguous()
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    with written_atomically(path) as unfinished:
        save_file(kernels, unfinished)


def load_kernels(path: Path, model: str, network: nn.Module) -> dict[str, Tensor]:
    """Return every convolution's weight (out, in, h, w) from a file that `save_kernels` wrote.

    Args:
        path: the safetensors file.
        model: lenet, vgg or vgg11.
        network: the network after its training.

    Raises:
        InputError: the file is missing, damaged, or of another network.
    """
    _, tensors = _read(path, model)
    kernels = {name.removesuffix(".weight"): kernel for name, kernel in tensors.items()}
    expected = {
        name: module.weight.shape
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    if {name: kernel.shape for name, kernel in kernels.items()} != expected:
        raise InputError(f"{path} does not fit the network: {_hint(model)}")
    return kernels


def load(path: Path, model: str) -> Trained:
    """Rebuild the network of `model` from a file that `save` wrote.

    Raises:
        InputError: the file is missing, damaged, or not of this model.
    """
    (metadata, tensors), hint = _read(path, model), _hint(model)
    try:
        description = json.loads(metadata[METADATA_KEY])
        if description["model"] != model:
            raise InputError(f"{path} holds {description['model']!r}, not {model!r}: {hint}")
        with torch.device("meta"):
            network = build(model, **description["architecture"])
        network.load_state_dict(tensors, assign=True)
        transform = Transform(**description["transform"])
        return Trained(network.eval(), transform, description["recipe"], description["made_with"])
    except (KeyError, TypeError, json.JSONDecodeError):
        raise InputError(f"{path} was not written by this project: {hint}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the network: {hint} ({reason})") from None


def _read(path: Path, model: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return a safetensors file's metadata and tensors."""
    hint = _hint(model)
    if not path.is_file():
        raise InputError(f"{path} is missing: {hint}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise InputError(f"{path} is not an intact safetensors file ({error}): {hint}") from None


def _hint(model: str) -> str:
    return f"make it with `dvc repro {MODELS[model].stage}`"
