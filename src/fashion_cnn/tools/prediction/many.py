"""Many picture files, read by a process for each core: threads would wait for one another."""

import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.prediction.pictures import Picture

MANY = 100
"""Fewer are read before the processes have begun."""
PR_SET_PDEATHSIG = 1


def begin(paths: Sequence[Path]) -> None:
    """Start the processes if so many pictures need them, to have them ready for `read_all`."""
    if len(paths) >= MANY:
        _processes().submit(_nothing)


def read_all(read: Callable[[Path], Picture], paths: Sequence[Path]) -> list[Picture | InputError]:
    """Return what `read` returns for each path; an InputError that it raises stands in its place.

    `read` is of a module without torch, which each process would load.

    Raises:
        InputError: a process was killed.
    """
    attempt = partial(_attempt, read)
    if len(paths) < MANY:
        return [attempt(path) for path in paths]
    try:
        return list(_processes().map(attempt, paths, chunksize=8))
    except BrokenProcessPool:
        raise InputError(
            "a process that reads pictures was killed, perhaps for want of memory: predict fewer "
            "pictures at a time with a lower evaluate.batch_size"
        ) from None


def _attempt(read: Callable[[Path], Picture], path: Path) -> Picture | InputError:
    try:
        return read(path)
    except InputError as error:
        return error


def _nothing() -> None:
    """Do nothing: the first task starts all processes."""


@cache
def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=_prepare)


def _prepare() -> None:
    """Leave Ctrl-C to the process that began this one, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(AttributeError):  # of Linux alone
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
