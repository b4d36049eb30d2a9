"""What must be done before torch is imported: the package imports this module first.

It imports little itself, as Ctrl-C shows a traceback until its signal handler is set.
"""

import gc
import os
import signal
import sys
from types import FrameType, TracebackType

# ruff: noqa: PTH109, PTH118, PTH120 - importing pathlib takes longer than all of this.


def _is_program() -> bool:
    """Return whether a stage or `python -m fashion_cnn` runs, rather than a user of the package."""
    stages = os.path.realpath(os.path.join(__file__, *(os.pardir,) * 4, "stages"))
    script = sys.argv[0] if sys.argv else ""
    # Python gives "-m" as the path of a module that it has not found yet.
    return script == "-m" or os.path.dirname(os.path.realpath(script)) == stages


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from fashion_cnn.base.errors import exit_if_expected  # noqa: PLC0415

    exit_if_expected(error)
    sys.__excepthook__(kind, error, trace)


if _is_program():
    # Until `errors.run` begins: an exception in the middle of an import would not do, as torch and
    # NumPy raise others in its place.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _exit_at_once)
    # What fails in an import ends as `errors.run` ends it.
    sys.excepthook = _show
    # Where the shell has closed one (>&-), the first file that is opened would take its place.
    for place, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(place, "w" if place else "r"))

# Importing torch creates hundreds of thousands of objects, none of them garbage. By default, Python
# searches for garbage after every 700 new objects, which takes half a second of each stage.
gc.set_threshold(100_000, 20, 20)

# Queued experiments share the cores. By default, OpenMP's waiting threads keep a core busy, which
# slows the other experiments down. This changes no result.
if ".dvc/tmp/exps" in os.getcwd():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
