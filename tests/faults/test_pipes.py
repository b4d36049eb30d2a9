"""A reader that has gone, an output that is closed or full: a quiet end, or a message."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell
from tests.faults.conftest import Run, arguments, end_is_quiet, ends_with_a_message, rare

COMMANDS = {
    "check_shapes": arguments("check_shapes"),
    "compare_models": arguments("compare_models"),
    "train_lenet": arguments("train_lenet"),
    "shapes": ("python", "-m", "fashion_cnn", "shapes", "vgg"),
    "help": ("python", "-m", "fashion_cnn", "--help"),
    "predict": (
        "python",
        "-m",
        "fashion_cnn",
        "predict",
        "lenet",
        "plots/evaluate/lenet/classes.png",
    ),
}
FEW = ("compare_models", "help")
Redirected = Callable[[str, str], Run]


@pytest.fixture
def redirected(project: Path, shell: Shell) -> Redirected:
    """Run one of the commands with its output redirected, as bash does it."""

    def call(name: str, redirection: str) -> Run:
        script = f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}'
        return shell(
            *("bash", "-c", script, "bash", *COMMANDS[name]),
            cwd=project,
            PYTHONPATH=str(ROOT / "src"),
            OMP_NUM_THREADS="1",
            PYTHONUNBUFFERED="",
        )

    return call


@pytest.mark.parametrize("name", [*FEW, *rare(*((name,) for name in COMMANDS if name not in FEW))])
def test_lost_output(name: str, redirected: Redirected) -> None:
    piped = redirected(name, "| true")
    end_is_quiet(piped, lines=0)
    assert piped.returncode in (0, 141)
    closed = redirected(name, ">&-")
    end_is_quiet(closed, lines=0)
    assert closed.returncode == 0
    ends_with_a_message(redirected(name, "> /dev/full"), "standard output", "full")
    for redirection in ("<&-", "2>&-", "<&- >&- 2>&-"):
        assert redirected(name, redirection).returncode == 0


def test_a_message_is_kept_where_the_output_is_lost(project: Path, redirected: Redirected) -> None:
    (project / "plots/confusion/vgg.csv").unlink()
    for redirection in ("| true", "> /dev/full"):
        ends_with_a_message(redirected("compare_models", redirection), "vgg.csv")
