"""Settings that must be made before torch is imported: the package imports this module first."""

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType, TracebackType

from fashion_cnn.base.errors import exit_if_expected

# Importing torch creates hundreds of thousands of objects, none of them garbage. By default, Python
# searches for garbage after every 700 new objects, which takes half a second of each stage.
gc.set_threshold(100_000, 20, 20)

# Queued experiments share the cores. By default, OpenMP's waiting threads keep a core busy, which
# slows the other experiments down. This changes no result.
if ".dvc/tmp/exps" in Path.cwd().as_posix():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    exit_if_expected(error)
    sys.__excepthook__(kind, error, trace)


def _prepare_program() -> None:
    """Make the imports of a program end as quietly as `errors.run` does.

    An exception in the middle of an import would not do: torch and NumPy raise others in its place.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _exit_at_once)
    sys.excepthook = _show
    # Where the shell has closed one (>&-), the first file that is opened would take its place.
    for place, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(place, "w" if place else "r"))


# A stage, or `python -m fashion_cnn`, whose package is imported before its path is known. Whoever
# imports the package as a library keeps its own signal handlers.
_stages = Path(__file__).resolve().parents[3] / "stages"
if sys.argv[:1] == ["-m"] or Path(*sys.argv[:1]).resolve().parent == _stages:
    _prepare_program()
