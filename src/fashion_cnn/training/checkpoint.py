"""Checkpoints of a training: whole or not there, of this very run, and cheap."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import written_atomically
from fashion_cnn.dataset.images import Images

METADATA_KEY = "fashion_cnn"
KEPT = 2
# A checkpoint is due when 50 times as long as the last one took to write has passed, so that they
# take less than 2% of the time; at the latest after four and a half minutes.
COST_FACTOR = 50
MOST_SECONDS = 270.0
# Within an epoch, not more often than this; and what a disk writes at the least, for the first.
LEAST_SECONDS = 5.0
BYTES_PER_SECOND = 300e6

State = dict[str, Any]


def fingerprint(params: Mapping[str, Any], network: nn.Module, images: list[Images]) -> str:
    """Return 32 hex digits of what a run depends on.

    Args:
        params: whatever the run reads, and what it runs on: JSON values.
        network: as it is before training.
        images: the data as it is trained and validated on.

    The code is that of the package's modules, as far as they are imported.
    """
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    package = Path(__file__).parents[1]
    loaded = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    for path in sorted({Path(file) for file in loaded if file}):
        if package in path.parents:
            digest.update(path.read_bytes())
    data = [tensor for each in images for tensor in (each.pixels, each.labels)]
    for tensor in [*network.state_dict().values(), *data]:
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:32]


class Checkpoints:
    """The checkpoints of one run, in a folder that one process at a time may hold."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, the run's own."""
        self.folder = folder
        self.cost_seconds = 0.0
        self.written = time.perf_counter()

    def __enter__(self) -> Self:
        """Take hold of the folder, and clear away what a killed process was writing.

        Raises:
            InputError: a living process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read() or "unknown"
            self._lock.close()
            raise InputError(
                f"process {holder} trains this very run already: wait for it, or stop it with "
                f"`kill {holder}`; it saves its work first, and the next run goes on from there"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        for unfinished in self.folder.glob(".*.tmp"):
            unfinished.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def due(self, *, epoch_ended: bool) -> bool:
        """Whether so much time has passed that another is worth its cost."""
        least = 0.0 if epoch_ended else LEAST_SECONDS
        wanted = min(max(COST_FACTOR * self.cost_seconds, least), MOST_SECONDS)
        return time.perf_counter() - self.written >= wanted

    def expect(self, size: int) -> None:
        """Assume what a first checkpoint of `size` bytes will cost."""
        self.cost_seconds = size / BYTES_PER_SECOND

    def write(self, state: State, step: int) -> None:
        """Write a state of JSON values and tensors, made after `step` steps in all, atomically."""
        started = time.perf_counter()
        tensors: dict[str, Tensor] = {}
        values = _part(state, "", tensors)
        description = json.dumps({"values": values, "sha256": _digest(tensors)})
        path = self.folder / f"{step:012}.safetensors"
        with written_atomically(path) as unfinished:
            save_file(tensors, unfinished, {METADATA_KEY: description})
        for old in self._newest_first()[KEPT:]:
            old.unlink()
        self.written = time.perf_counter()
        self.cost_seconds = self.written - started

    def newest(self) -> State | None:
        """Return the newest state that is whole, on the CPU; None where there is none."""
        for path in self._newest_first():
            try:
                return _read(path)
            except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
                reason = " ".join(str(error).split())
                print(f"checkpoint {path.name} is damaged ({reason}): trying the one before")
                path.unlink()
        return None

    def remove(self) -> None:
        """Remove the run's checkpoints."""
        shutil.rmtree(self.folder)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"), reverse=True)


def _read(path: Path) -> State:
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()[METADATA_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _digest(tensors) != description["sha256"]:
        raise ValueError("its content is not what was written")
    state: State = _whole(description["values"], tensors)
    return state


def _part(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return `value` as JSON, its tensors moved to `tensors` and named in their places."""
    match value:
        case Tensor():
            tensors[name] = value.detach().cpu().contiguous()
            return {"tensor": name}
        case dict():
            pairs = [[key, _part(part, f"{name}/{key}", tensors)] for key, part in value.items()]
            return {"pairs": pairs}
        case list() | tuple():
            return [_part(part, f"{name}/{i}", tensors) for i, part in enumerate(value)]
    return value


def _whole(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `_part`."""
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"pairs": pairs}:
            return {key: _whole(part, tensors) for key, part in pairs}
        case list():
            return [_whole(part, tensors) for part in value]
    return value


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(_bytes(tensors[name]))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    array: np.ndarray = tensor.detach().cpu().contiguous().numpy()
    return array.reshape(-1).view(np.uint8).data
