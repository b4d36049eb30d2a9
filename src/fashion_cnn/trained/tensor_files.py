"""Files of tensors that are written whole, and in which any change since then is noticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from fashion_cnn.base.files import written_atomically

# safetensors writes metadata keys in random order: a single key keeps the bytes the same.
METADATA_KEY = "fashion_cnn"


class DamagedError(ValueError):
    """A file does not hold what `write` wrote; the message is the reason."""


def write(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors and JSON values as a safetensors file, atomically, with a digest of both.

    Args:
        path: the file.
        tensors: by name; written as contiguous tensors of their types.
        description: written as the file's metadata.
    """
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    values = {**description, "sha256": _digest(contiguous, description)}
    num_bytes = sum(tensor.nbytes for tensor in contiguous.values())
    with written_atomically(path, num_bytes) as unfinished:
        save_file(contiguous, unfinished, {METADATA_KEY: json.dumps(values, sort_keys=True)})


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and the tensors, on the CPU, that `write` wrote.

    Raises:
        DamagedError: the file holds anything else, or cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description: dict[str, Any] = json.loads((file.metadata() or {})[METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        sha256 = description.pop("sha256")
        changed = _digest(tensors, description) != sha256
    except (SafetensorError, OSError) as error:
        raise DamagedError(" ".join(str(error).split())) from None
    # What JSON or torch raises for metadata and types of tensors that `write` does not write.
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError):
        raise DamagedError("it has no digest of its content") from None
    if changed:
        raise DamagedError("its content is not what was written")
    return description, tensors


def as_bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's bytes in order; no copy where it is contiguous and on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content: memoryview = flat.view(uint8).numpy().data
    return content


def _digest(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a description and of tensors with their names, types and shapes."""
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(as_bytes(tensor))
    return found.hexdigest()
