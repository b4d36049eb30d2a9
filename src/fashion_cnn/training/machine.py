"""How much memory this process may take, and whether a training fits in it."""

import resource
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import psutil
import torch

from fashion_cnn.base.errors import InputError, MemoryShortError
from fashion_cnn.base.faults import is_memory_short
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import Compute
from fashion_cnn.core.shapes import TracedLayer
from fashion_cnn.training.memory import reserved_memory, training_memory

PROCESS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Limit:
    """Bytes of memory that this process may still take, and what sets the limit."""

    num_bytes: int
    source: str


def limit(device: torch.device) -> Limit:
    """Return the lowest limit on the memory that computing on `device` takes."""
    if device.type == "cuda":
        return Limit(torch.cuda.mem_get_info(device)[0], "the GPU")
    held = psutil.Process().memory_info()
    limits = [Limit(psutil.virtual_memory().total - held.rss, "this machine's memory")]
    limits += [Limit(size - held.rss, "the control group's limit") for size in control_groups()]
    for option, kind, taken in (
        ("v", resource.RLIMIT_AS, held.vms),
        ("d", resource.RLIMIT_DATA, getattr(held, "data", 0)),
    ):
        allowed, _ = resource.getrlimit(kind)
        if allowed != resource.RLIM_INFINITY:
            limits.append(Limit(allowed - taken, f"`ulimit -{option}`"))
    return min(limits, key=lambda each: each.num_bytes)


def control_groups(process: Path = PROCESS, groups: Path = GROUPS) -> Iterator[int]:
    """Yield the memory limits of this process's control groups and of those above them.

    Args:
        process: the file that lists the process's groups, of version 1 or 2; it may be missing.
        groups: where the groups are mounted. In a container, the group at the top is its own.
    """
    for line in process.read_text().splitlines() if process.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = groups / "memory" if controllers else groups
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            file = folder / ("memory.limit_in_bytes" if controllers else "memory.max")
            if folder.is_relative_to(top) and file.is_file():
                size = file.read_text().strip()
                yield from [int(size)] if size.isdecimal() else []


@contextmanager
def training_fits(
    model: str, rows: Sequence[TracedLayer], recipe: Recipe, compute: Compute, processes: int = 1
) -> Iterator[None]:
    """Check that a training fits in memory; where the block finds it too short, name a batch.

    Args:
        model: a module of fashion_cnn.models; names the keys to change.
        rows: the traced network.
        recipe: how it is trained.
        compute: where.
        processes: how many share each batch, each with memory of its own.

    Raises:
        InputError: the training takes more than this process may have, by estimate or in fact; the
            message has the largest batch that fits.
    """
    least = limit(compute.device)

    def needed(batch_size: int, *, comfortably: bool = True) -> int:
        part = recipe.model_copy(update={"batch_size": ceil(batch_size / processes)})
        # On a GPU, torch gives back what it only holds where that would be too much.
        if compute.device.type == "cuda" and comfortably:
            return reserved_memory(rows, part, compute.precision)
        return training_memory(rows, part, compute.precision).total

    def advice(highest: int) -> str:
        fits = bisect_right(range(1, highest + 1), least.num_bytes, key=needed)
        changes = [f"lower {model}.batch_size to {fits}"] if fits else []
        changes.append(f"lower {model}.image_size")
        if "width_divisor" in recipe.architecture():
            changes.append(f"raise {model}.width_divisor")
        return f"{' or '.join(changes)} in params.yaml"

    estimate = needed(recipe.batch_size, comfortably=False)
    if estimate > least.num_bytes:
        raise InputError(
            f"not enough memory: training {model} takes an estimated {estimate / 1e9:,.2f} GB, and "
            f"{least.source} leaves {max(least.num_bytes, 0) / 1e9:,.2f} GB: "
            f"{advice(recipe.batch_size)}"
        )
    try:
        yield
    except Exception as error:
        if not is_memory_short(error):
            raise
        # It takes more than was estimated.
        raise MemoryShortError(
            f"not enough memory for training {model}, of which {least.source} left "
            f"{least.num_bytes / 1e9:,.2f} GB: {advice(recipe.batch_size // 2)}"
        ) from error
