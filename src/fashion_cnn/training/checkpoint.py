"""Checkpoints: written whole or not at all, bound to one run, and cheap."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.faults import is_memory_short
from fashion_cnn.base.files import clear, write_json
from fashion_cnn.base.settings import flatten
from fashion_cnn.dataset.images import Images
from fashion_cnn.trained import tensor_files
from fashion_cnn.trained.tensor_files import DamagedError

KEPT = 2
# The identity of a run beside its checkpoints, and how many of its parts a message names.
IDENTITY, SHOWN = "identity.json", 3
# The next checkpoint is due after 50 times as long as the last one took to write, so that they take
# less than 2% of the time; at the latest after four and a half minutes.
COST_FACTOR = 50
MAX_SECONDS = 270.0
# The shortest time between two checkpoints within an epoch.
MIN_SECONDS = 5.0
# What a slow disk writes: how long the first checkpoint will take is estimated from this.
BYTES_PER_SECOND = 300e6

State = dict[str, Any]


def identity(params: Mapping[str, Any], network: nn.Module, images: list[Images]) -> dict[str, str]:
    """Return all that a run depends on, by name: a checkpoint resumes where nothing differs.

    That includes the code of every module of the package that is imported, and no other.

    Args:
        params: what the run reads, and the device and versions it runs on, as JSON values.
        network: before training.
        images: the training and validation images.
    """
    parts = {name: json.dumps(value) for name, value in flatten(params).items()}
    package = Path(__file__).parents[1]
    loaded = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    for path in sorted({Path(file) for file in loaded if file}):
        if package in path.parents:
            parts[f"the code of {path.relative_to(package)}"] = _digest(path.read_bytes())
    weights = [tensor_files.as_bytes(tensor) for tensor in network.state_dict().values()]
    pixels = [tensor_files.as_bytes(part) for each in images for part in (each.pixels, each.labels)]
    return parts | {"the initial weights": _digest(*weights), "the images": _digest(*pixels)}


def fingerprint(parts: Mapping[str, str]) -> str:
    """Return 32 hex digits that stand for all parts of a run's identity."""
    return _digest(json.dumps(parts, sort_keys=True).encode())


def _digest(*contents: Any) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:32]


class Checkpoints:
    """The checkpoints of one run, in a folder that only one process at a time can hold."""

    def __init__(self, folder: Path, parts: Mapping[str, str] = MappingProxyType({})) -> None:
        """Keep the checkpoints in `folder`, which belongs to the run of this identity."""
        self.folder = folder
        self.parts = dict(parts)
        self.cost_seconds = 0.0
        self.written = time.perf_counter()

    def __enter__(self) -> Self:
        """Lock the folder, and remove what a killed process left half written.

        Raises:
            InputError: another process holds the lock.
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
                f"process {holder} is already training this same run: wait for it, or stop it with "
                f"`kill {holder}`; it saves its work first, and the next run goes on from there"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        clear(self.folder)
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.close()

    def due(self, *, epoch_ended: bool) -> bool:
        """Return whether enough time has passed for another checkpoint to be worth its cost."""
        shortest = 0.0 if epoch_ended else MIN_SECONDS
        interval = min(max(COST_FACTOR * self.cost_seconds, shortest), MAX_SECONDS)
        return time.perf_counter() - self.written >= interval

    def expect(self, size: int) -> None:
        """Estimate the time that a first checkpoint of `size` bytes will take."""
        self.cost_seconds = size / BYTES_PER_SECOND

    def write(self, state: State, step: int) -> None:
        """Write a state of JSON values and tensors, reached after `step` steps, atomically."""
        started = time.perf_counter()
        if not (self.folder / IDENTITY).exists():
            write_json(self.folder / IDENTITY, self.parts)
        tensors: dict[str, Tensor] = {}
        values = _extract_tensors(state, "", tensors)
        tensor_files.write(self.folder / f"{step:012}.safetensors", tensors, {"values": values})
        for old in self._newest_first()[KEPT:]:
            old.unlink()
        self.written = time.perf_counter()
        self.cost_seconds = self.written - started

    def newest(self) -> State | None:
        """Return the newest undamaged state, on the CPU, or None."""
        for path in self._newest_first():
            try:
                description, tensors = tensor_files.read(path)
                state: State = _insert_tensors(description["values"], tensors)
                return state
            except DamagedError as error:
                if is_memory_short(error):
                    raise
                print(f"checkpoint {path.name} is damaged ({error}): trying the one before it")
                path.unlink()
        return None

    def refused(self) -> Iterator[str]:
        """Yield why each other run's checkpoint of the same network does not fit this one."""
        for path in sorted(self.folder.parent.glob(f"*/{IDENTITY}")):
            theirs = json.loads(path.read_text("utf-8"))
            if path.parent == self.folder or theirs.get("model") != self.parts.get("model"):
                continue
            names = sorted(theirs.keys() | self.parts.keys())
            others = [name for name in names if theirs.get(name) != self.parts.get(name)]
            rest = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            yield f"{path.parent.name[:8]}: other now: {', '.join(others[:SHOWN])}{rest}"

    def remove(self) -> None:
        """Remove the run's checkpoints."""
        shutil.rmtree(self.folder)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"), reverse=True)


def _extract_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of `value` into `tensors`; return it as JSON values, with their names."""
    match value:
        case Tensor():
            tensors[name] = value.detach().cpu().contiguous()
            return {"tensor": name}
        case dict():
            # Pairs, as JSON would turn a key that is a number into text.
            items = value.items()
            return {"pairs": [[k, _extract_tensors(v, f"{name}/{k}", tensors)] for k, v in items]}
        case list() | tuple():
            return [_extract_tensors(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
    return value


def _insert_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `_extract_tensors`."""
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"pairs": pairs}:
            return {key: _insert_tensors(item, tensors) for key, item in pairs}
        case list():
            return [_insert_tensors(item, tensors) for item in value]
    return value
