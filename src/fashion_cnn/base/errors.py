"""Errors that a user can fix, and the one place that turns them into an exit status."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fashion_cnn.base import faults

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

MEMORY_KEYS = "batch_size or image_size"
# The signals that have asked this process to end, in their order.
_received: list[int] = []


class InputError(ValueError):
    """Something given from outside is wrong; the message says what to do about it."""


class DiskFullError(InputError):
    """A file did not fit on its disk; the message names it."""


class MemoryShortError(InputError):
    """A training does not fit in memory; the message has a batch that does."""


def run(main: Callable[[], object], memory_keys: str = MEMORY_KEYS) -> None:
    """Call `main`, and end the process where it fails.

    Bad input, a full or read-only disk and too little memory give one message and status 1.
    Ctrl-C, SIGTERM and a closed pipe give 128 plus the signal's number, without a message. Any
    other exception is a bug and keeps its traceback.

    Args:
        main: the program.
        memory_keys: of params.yaml, which decide how much memory the program needs.
    """
    with _signals_raised():
        try:
            main()
            _flush()
            if _received:
                raise KeyboardInterrupt
        except BaseException as raised:
            error = raised
            try:
                _flush()
            except OSError as lost:
                if isinstance(raised, SystemExit):
                    error = lost
            exit_if_expected(error, memory_keys)
            raise
        finally:
            # Python collects garbage again when it exits, which takes a second with torch loaded.
            gc.freeze()


def exit_if_expected(error: BaseException, memory_keys: str = MEMORY_KEYS) -> None:
    """End the process here unless `error` may be a bug."""
    if isinstance(error, KeyboardInterrupt) or _received:
        os._exit(128 + (_received or [signal.SIGINT])[0])
    if isinstance(error, BrokenPipeError):
        os._exit(128 + signal.SIGPIPE)
    if faults.is_full(error):
        # Another writer, which does not name its file, may have failed since then.
        named = (str(each) for each in faults.chain(error) if isinstance(each, DiskFullError))
        message = next(named, None) or faults.describe(error, memory_keys)
        print(f"error: {message}", file=sys.stderr, flush=True)
        # At an ordinary end, open files would be written once more.
        os._exit(1)
    settled = isinstance(error, MemoryShortError) or not faults.is_memory_short(error)
    if isinstance(error, InputError) and settled:
        sys.exit(f"error: {error}")
    if message := faults.describe(error, memory_keys):
        sys.exit(f"error: {message}")


def _flush() -> None:
    """Write what was printed, where standard output takes it."""
    try:
        print(end="", flush=True)
    except OSError as error:
        # Python writes it again when it exits, and would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        error.filename = "standard output"
        raise


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and Ctrl-C, and keep quiet where it can't be raised."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _received.append(number)
        raise KeyboardInterrupt

    def unraisable(lost: "UnraisableHookArgs") -> None:
        if _received:
            os._exit(128 + _received[0])
        hooks[0](lost)

    def in_thread(lost: threading.ExceptHookArgs) -> None:
        # TensorBoard's writer raises it once more in the main thread.
        if not (lost.exc_value and faults.is_full(lost.exc_value)):
            hooks[1](lost)

    hooks = sys.unraisablehook, threading.excepthook
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook, threading.excepthook = unraisable, in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks
        for number, handler in handlers.items():
            signal.signal(number, handler)
