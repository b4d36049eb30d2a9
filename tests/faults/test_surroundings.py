"""Other surroundings of a process: the same bytes, whatever the locale, the umask or the user."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.conftest import STAGES, Stage, end_is_quiet, hashes, rare

# With an @ they run on. Seconds are measured with another clock, which never jumps.
CLOCKS = ("@1970-01-02 00:00:00", "@2038-01-20 00:00:00", "+0 x5000", "-9d")
LOCALES = ("tr_TR.UTF-8", "de_DE.ISO-8859-1", "C", "POSIX", "no such locale")


def runs_alike(
    project: Path, stage: Stage, name: str, *before: str, lines: int = 1, **variables: str
) -> None:
    """Hold that a stage ends well and writes what it wrote in ordinary surroundings."""
    expected = hashes(project)
    done = stage(project, name, *before, **variables)
    end_is_quiet(done, lines=lines)
    assert done.returncode == 0, done.stderr
    assert hashes(project) == expected


@pytest.mark.parametrize("name", ["compare_models", *rare(("train_lenet",), ("evaluate",))])
@pytest.mark.parametrize("locale", [LOCALES[0], *rare(*((each,) for each in LOCALES[1:]))])
def test_locale(name: str, locale: str, project: Path, stage: Stage) -> None:
    runs_alike(project, stage, name, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


@pytest.mark.parametrize("name", ["compare_models", *rare(("train_lenet",), ("evaluate",))])
def test_a_umask_that_lets_nobody_else_read(name: str, project: Path, stage: Stage) -> None:
    metrics = project / "metrics"
    runs_alike(project, stage, name, "sh", "-c", 'umask 077; exec "$@"', "sh")
    written = [*metrics.rglob("*.json")]
    # DVC shares its cache between users, and keeps the rights of what it caches.
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in written)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A new folder that every user may read; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("name", ["compare_models", *rare(("train_lenet",), ("evaluate",))])
def test_another_user(name: str, made: Path, stage: Stage, open_to_all: Path) -> None:
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root may become another user, by setpriv")
    other = ("setpriv", "--reuid=1234", "--regid=1234", "--clear-groups")
    readable = ("sh", "-c", f"{sys.executable} -c pass && ls -L {ROOT}/src {open_to_all}")
    if subprocess.run((*other, *readable), capture_output=True, check=False).returncode:
        pytest.skip("another user may not read this Python or this checkout")
    project = shutil.copytree(made, open_to_all / "project", symlinks=True)
    before = hashes(project)
    done = stage(project, name, *other, HOME="/nowhere")
    end_is_quiet(done, lines=3)
    assert done.returncode == 1
    assert "can't be written: it is read-only, another user's" in done.stderr
    assert hashes(project) == before


@pytest.mark.faults
@pytest.mark.parametrize("name", [name for name in STAGES if name != "download"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_that_is_wrong_or_runs(name: str, clock: str, project: Path, stage: Stage) -> None:
    if not shutil.which("faketime"):
        pytest.skip("faketime is needed (Debian: apt-get install faketime)")
    if name == "export_images":  # not in `made`
        assert stage(project, name).returncode == 0
    faked = ("faketime", "-f", clock)
    runs_alike(project, stage, name, *faked, lines=3, FAKETIME_DONT_FAKE_MONOTONIC="1")


def test_a_limit_on_the_size_of_files(project: Path, stage: Stage) -> None:
    before = hashes(project)
    done = stage(project, "train_lenet", "sh", "-c", 'ulimit -f 20; exec "$@"', "sh")
    end_is_quiet(done)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert hashes(project).keys() == before.keys()
