"""One GPU per stage: processes that run at the same time share a machine's GPUs by file locks."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import torch

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import Compute

STAGES_PER_GPU = "STAGES_PER_GPU"


@contextmanager
def own_gpu(compute: Compute) -> Iterator[Compute]:
    """Lock the GPU that `compute` names, or any free one, and yield it.

    A process of torchrun takes no lock: its rank decides which GPU it uses.
    """
    if compute.device.type != "cuda" or "RANK" in os.environ:
        yield compute
        return
    named = compute.device.index
    indices = [named] if named is not None else [*range(torch.cuda.device_count())]
    gpus = [str(torch.cuda.get_device_properties(index).uuid) for index in indices]
    with gpu_slot(gpus, slots_folder(), stages_per_gpu()) as position:
        yield replace(compute, device=torch.device("cuda", indices[position]))


@contextmanager
def gpu_slot(gpus: Sequence[str], folder: Path, per_gpu: int = 1) -> Iterator[int]:
    """Hold a slot on one of the GPUs until the block ends; wait while all are taken.

    The system frees a slot when its process ends, however it ends.

    Args:
        gpus: the names of the GPUs to choose from, such as their UUIDs; the same in every process.
        folder: of the lock files; the same for all processes that share the GPUs.
        per_gpu: how many processes may hold the same GPU at a time.

    Yields:
        The index in `gpus` of the GPU: the first of those with the fewest holders.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        waiting = False
        while (held := _take(gpus, folder, per_gpu)) is None:
            if not waiting:
                busy = "the GPU is" if len(gpus) == 1 else f"all {len(gpus)} GPUs are"
                print(
                    f"{busy} in use by other stages: waiting for a free one "
                    f"(set {STAGES_PER_GPU}={per_gpu + 1} to let stages share a GPU)",
                    flush=True,
                )
            waiting = True
            time.sleep(0.5)
        index, lock = held
        stack.enter_context(lock)
        yield index


def _take(gpus: Sequence[str], folder: Path, per_gpu: int) -> tuple[int, TextIO] | None:
    """Lock the first free slot: the first slot of every GPU comes before any second one."""
    for slot in range(per_gpu):
        for index, gpu in enumerate(gpus):
            lock = (folder / f"{gpu}.{slot}").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return index, lock
            except OSError:
                lock.close()
    return None


def slots_folder() -> Path:
    """Return the folder of this user's locks, the same for every copy of the repository."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(given) if given and os.access(given, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"fashion-cnn-gpus-{os.getuid()}"


def stages_per_gpu(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many stages may share a GPU: $STAGES_PER_GPU, by default 1.

    Raises:
        InputError: the variable is not a whole number of at least 1.
    """
    text = environment.get(STAGES_PER_GPU, "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{STAGES_PER_GPU}: expected a whole number of at least 1, got {text!r}")
    return int(text)
