"""What a machine can refuse, whatever the code does: memory, room on a disk, rights."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG),
    *(errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE),
)
OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|allocate memory|bad_alloc|can't start new thread", re.I
)
# Where the pipeline writes, for a writer that does not say which file it was.
FOLDERS = ("data", "metrics", "plots", "runs", ".checkpoints", ".")


def describe(error: BaseException, lower: str) -> str | None:
    """Return what to do where the machine is behind `error`; None where it may be a bug.

    Args:
        error: an exception with those that led to it.
        lower: the keys of params.yaml that decide how much memory is needed.
    """
    for each in _chain(error):
        if _says_memory(each):
            asked = re.search(r"allocate ([\d.]+ \w+)", str(each))
            needed = f" ({asked[1]} more were needed)" if asked else ""
            return f"not enough memory{needed}: lower {lower} in params.yaml"
        if _number(each) in FULL:
            return out_of_space(getattr(each, "filename", None))
    number = _number(error)
    if number in REFUSED:
        return f"{getattr(error, 'filename', None) or error}: {os.strerror(number)}"
    if "No usable temporary directory" in str(error):
        return f"{error}: set TMPDIR to a folder that can be written"
    return None


def is_full(error: BaseException) -> bool:
    """Return whether a full disk or a used-up quota is behind `error`."""
    return any(_number(each) in FULL for each in _chain(error))


def is_memory_short(error: BaseException) -> bool:
    """Return whether a lack of memory is behind `error`."""
    return any(_says_memory(each) for each in _chain(error))


def out_of_space(path: str | Path | None, num_bytes: int | None = None) -> str:
    """Return a message for a file of `num_bytes` that does not fit on its disk."""
    needed = "" if num_bytes is None else f", {num_bytes / 1e6:.1f} MB are needed"
    place = Path(path or min(filter(os.path.exists, FOLDERS), key=_free))
    on_disk = next((each for each in (place, *place.parents) if each.exists()), None)
    free = f" ({_free(on_disk) / 1e6:.1f} MB are free{needed})" if on_disk else ""
    return f"the disk of {place} is full{free}: free some space and run the same command again"


def _free(path: str | Path) -> int:
    return shutil.disk_usage(path).free


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    """Return the system's number of an error; safetensors gives it in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _says_memory(error: BaseException) -> bool:
    """Return whether an exception is one of those that libraries raise for a lack of memory."""
    if isinstance(error, MemoryError) or _number(error) == errno.ENOMEM:
        return True
    kinds = (RuntimeError, ImportError)
    return isinstance(error, kinds) and OUT_OF_MEMORY.search(str(error)) is not None
