"""What must be done before torch is imported: the package imports this module first.

Until a stage's own handler is set, Ctrl-C shows Python's traceback. So nothing is imported before
that, and a stage runs as `python -S`, which leaves the search for site-packages to this module.
"""

# ruff: noqa: PLC0415, PTH109 - imports come after the handler, and pathlib's takes longest.
import _signal  # type: ignore[import-not-found] # `signal` takes its time to make enumerations
import sys
from posix import _exit


def _is_program() -> bool:
    """Return whether a stage or `python -m fashion_cnn` runs, rather than a user of the package."""
    stages = __file__.removesuffix("src/fashion_cnn/base/startup.py") + "stages"
    # Python gives "-m" as the path of a module that it has not found yet.
    return sys.argv[:1] == ["-m"] or sys.path[:1] == [stages]


def _end_on_signals() -> None:
    """Let signals end the process, until `errors.run` begins.

    An exception in the middle of an import would not, as torch and NumPy raise others in its place.
    """
    for number in (_signal.SIGINT, _signal.SIGTERM):
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _exit_at_once)


def _exit_at_once(number: int, frame: object) -> None:
    _exit(128 + number)


def _open_closed_files() -> None:
    """Open what the shell has closed (>&-); else the first file opened would take its place."""
    import os

    for place, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(place, "w" if place else "r"))


def _show(kind: type[BaseException], error: BaseException, trace: object) -> None:
    from fashion_cnn.base.errors import exit_if_expected

    exit_if_expected(error)
    sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]


class _RefusesTorch:
    """Fails to find torch; in the middle of loading it, C++ would end the process."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ImportError("not enough memory")


def _refuse_torch_where_memory_is_short() -> None:
    """Let `import torch` fail where the shell's limits leave too little memory for it."""
    from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, getrlimit

    from fashion_cnn.base.faults import TORCH_ADDRESSES, TORCH_DATA

    for kind, least in ((RLIMIT_AS, TORCH_ADDRESSES), (RLIMIT_DATA, TORCH_DATA)):
        allowed, _ = getrlimit(kind)
        if allowed != RLIM_INFINITY and allowed < least:
            sys.meta_path.insert(0, _RefusesTorch())


def _tune() -> None:
    """Set what makes a process faster and changes no result."""
    import gc
    import os

    # Importing torch creates hundreds of thousands of objects, none of them garbage. By default,
    # Python searches for garbage after every 700 new objects: half a second of each stage.
    gc.set_threshold(100_000, 20, 20)
    # Queued experiments share the cores. By default, OpenMP's waiting threads keep a core busy,
    # which slows the other experiments down.
    if ".dvc/tmp/exps" in os.getcwd():
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


if _is_program():
    _end_on_signals()
    _open_closed_files()
    # What fails in an import ends as `errors.run` ends it.
    sys.excepthook = _show
    if sys.flags.no_site:
        import site

        site.main()
    _refuse_torch_where_memory_is_short()
_tune()
