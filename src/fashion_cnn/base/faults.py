"""What a machine can refuse, whatever the code does: memory, room on a disk, rights."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from math import ceil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG),
    *(errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE),
)
OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|allocate memory|bad_alloc|failed to map segment"
    r"|zero-fill|can't start new thread",
    re.IGNORECASE,
)
# What `import torch` takes of `ulimit -v` (3.3 GB with its libraries for CUDA) and of `ulimit -d`
# (0.8 GB), and some room. With less, C++ may end the process in the middle of it.
TORCH_ADDRESSES, TORCH_DATA = 4_000_000_000, 1_000_000_000
# Where the pipeline writes, for a writer that does not name its file; and the bytes that may still
# be free where it found no room.
FOLDERS = ("data", "metrics", "plots", "runs", ".checkpoints", ".")
MOST_FREE = 1_000_000


def describe(error: BaseException, lower: str) -> str | None:
    """Return what to do where the machine is behind `error`; None where it may be a bug.

    Args:
        error: an exception with those that led to it.
        lower: the keys of params.yaml that decide how much memory is needed.
    """
    for each in chain(error):
        if _says_memory(each):
            return _out_of_memory(each, lower)
        if _number(each) in FULL:
            return out_of_space(getattr(each, "filename", None))
        if _lacks_temporary_folder(each):
            return f"{each}: free some space there, or set TMPDIR to a folder of yours"
    number = _number(error)
    if number in REFUSED:
        return f"{getattr(error, 'filename', None) or error}: {os.strerror(number)}"
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def is_full(error: BaseException) -> bool:
    """Return whether a full disk or a used-up quota is behind `error`."""
    return any(_number(each) in FULL or _lacks_temporary_folder(each) for each in chain(error))


def is_memory_short(error: BaseException) -> bool:
    """Return whether a lack of memory is behind `error`."""
    return any(_says_memory(each) for each in chain(error))


def out_of_space(path: str | Path | None, num_bytes: int | None = None) -> str:
    """Return a message for a file of `num_bytes` that does not fit on its disk."""
    found = path or next((each for each in FOLDERS if _free(each) < MOST_FREE), None)
    if found is None:
        return "a disk, a quota or standard output is full: free some space and run it again"
    place = Path(found).absolute()
    # The first decimal place is rounded up: a small file does not need 0.0 MB.
    needed = "" if num_bytes is None else f", {ceil(num_bytes / 1e5) / 10:,} MB are needed"
    free = f"{_free(place) / 1e6:,.1f} MB are free"
    return f"{place}: its disk is full ({free}{needed}): free some space and run it again"


def _out_of_memory(error: BaseException, lower: str) -> str:
    if isinstance(error, ImportError):
        return (
            "not enough memory to load PyTorch: free some, or raise the shell's limits to at least "
            f"{TORCH_ADDRESSES / 1e9:.0f} GB of `ulimit -v` and {TORCH_DATA / 1e9:.0f} GB of "
            "`ulimit -d`"
        )
    asked = re.search(r"allocate ([\d.]+ \w+)", str(error))
    needed = f" ({asked[1]} more are needed)" if asked else ""
    return f"not enough memory{needed}: lower {lower} in params.yaml"


def _free(path: str | Path) -> int:
    """Return the bytes that are free on a path's disk; the path may be missing."""
    there = next(each for each in (Path(path), *Path(path).parents) if each.exists())
    return shutil.disk_usage(there).free


def _number(error: BaseException) -> int | None:
    """Return the system's number of an error; safetensors gives it in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _lacks_temporary_folder(error: BaseException) -> bool:
    return isinstance(error, FileNotFoundError) and "No usable temporary" in str(error)


def _says_memory(error: BaseException) -> bool:
    """Return whether an exception is one of those that libraries raise for a lack of memory."""
    if isinstance(error, MemoryError) or _number(error) == errno.ENOMEM:
        return True
    kinds = (RuntimeError, ImportError)
    return isinstance(error, kinds) and OUT_OF_MEMORY.search(str(error)) is not None
