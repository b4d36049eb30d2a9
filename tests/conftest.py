"""What tests share: the real data set, fresh clones, and stages run as a user runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from xdist.scheduler import LoadFileScheduling

from fashion_cnn.sources import fetching

ROOT = Path(__file__).resolve().parents[1]


# The files that take longest begin, so that no process is left alone with one at the end.
SMOKE = ("test_pipeline.py", "test_reruns.py", "test_docs.py", "test_vscode.py")
MACHINE = tuple(f"test_{name}.py" for name in ("disk", "folders", "memory", "pipes", "signals"))
LONGEST = ("test_pipeline.py", "test_reruns.py", "test_resume.py", "test_experiments.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the files that take longest."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if item.path.name in LONGEST:
            item.add_marker("long")


class BySharedFixtures(LoadFileScheduling):  # type: ignore[misc]
    """Give each process whole files of tests, and one alone those of the smoke run."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if Path(file).name in MACHINE:
            return "machine"
        return "smoke" if Path(file).name in SMOKE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Share out the tests, where several processes run them."""
    return BySharedFixtures(config, log)


@pytest.fixture(autouse=True)
def own_variables() -> Iterator[None]:
    """Take back what the code under test has set in the environment, as a sweep does."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def fashion_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the four real IDX files: the checkout's own, or fetched for this run."""
    here = ROOT / "data" / "fashion_mnist"
    if here.is_dir():
        return here
    folder = tmp_path_factory.mktemp("data") / "fashion_mnist"
    fetching.fetch(folder)
    return folder


@pytest.fixture(scope="session")
def environment(fashion_mnist: Path) -> dict[str, str]:
    """The environment of a shell with this Python first, the data at hand, no colours."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    # What git, DVC or the make that runs these tests hand down is not part of a user's shell.
    handed_down = ("DVC_", "GIT_", "MAKE", "MFLAGS")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(handed_down)}
    return inherited | {
        "PATH": os.pathsep.join(paths),
        "FASHION_MNIST_DIR": str(fashion_mnist),
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shell(environment: dict[str, str]) -> Shell:
    """Run a command without a terminal; its output and exit status come back as text."""

    def call(
        *command: str, cwd: Path, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


def put_preset(folder: Path, shell: Shell, name: str, *edits: tuple[str, str]) -> None:
    """Write a preset into a clone's params.yaml, with edits of its text."""
    done = shell("python", "-m", "fashion_cnn", "preset", name, cwd=folder, PYTHONPATH="src")
    assert done.returncode == 0, done.stderr
    path = folder / "params.yaml"
    text = path.read_text()
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


@pytest.fixture(scope="session")
def make_clone(shell: Shell) -> Callable[[Path], Path]:
    """Make a fresh clone of the working tree, uncommitted edits included, in a new folder."""

    def clone(folder: Path) -> Path:
        listed = shell("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "working tree")):
            done = shell("git", *command, cwd=folder)
            assert done.returncode == 0, done.stderr
        return folder

    return clone


def link_environment(folder: Path) -> None:
    """Give a clone an environment for make that is up to date and has this Python's programs."""
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for lock in ("run.txt", "test.txt"):
        shutil.copy(ROOT / "requirements" / lock, folder / ".venv")


@pytest.fixture
def clone(make_clone: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A fresh clone of the working tree, for one test."""
    return make_clone(tmp_path / "clone")


# Runs a script as Python does, and notes each file that it opens; safetensors opens its own
# outside of Python, so that its functions are asked.
AUDIT = """\
import os, runpy, safetensors, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
command = " ".join(sys.argv[2:])
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        os.write(log, f"{command}\\t{os.path.abspath(os.fsdecode(arguments[0]))}\\n".encode())
sys.addaudithook(note)
def noting(function, place):
    def call(*arguments, **named):
        note("open", [named["filename"] if "filename" in named else arguments[place]])
        return function(*arguments, **named)
    return call
safetensors.safe_open = noting(safetensors.safe_open, 0)
safetensors.serialize_file = noting(safetensors.serialize_file, 1)
sys.argv = sys.argv[2:]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class SmokeRun(NamedTuple):
    """A clone in which the smoke preset was reproduced, what that printed, and what it opened.

    opened: a line for each file: the stage's script with its arguments, a tab, the path.
    """

    folder: Path
    done: subprocess.CompletedProcess[str]
    opened: list[str]


@pytest.fixture(scope="session")
def smoke_run(
    make_clone: Callable[[Path], Path],
    shell: Shell,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> SmokeRun:
    """The smoke preset reproduced in a fresh clone and committed."""
    above = tmp_path_factory.mktemp("pipeline")
    folder = make_clone(above / "clone")
    put_preset(folder, shell, "smoke")
    (above / "audit.py").write_text(AUDIT)
    python = above / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -S ] && shift\n'
        f'exec {sys.executable} {above}/audit.py {above}/opened.txt "$@"\n'
    )
    python.chmod(0o755)
    path = os.pathsep.join([str(python.parent), environment["PATH"]])
    done = shell("dvc", "repro", cwd=folder, PATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    shell("git", "add", "-A", cwd=folder)
    shell("git", "commit", "-qm", "smoke", cwd=folder)
    return SmokeRun(folder, done, (above / "opened.txt").read_text().splitlines())


@pytest.fixture(scope="session")
def smoke(smoke_run: SmokeRun) -> Path:
    """The clone in which the smoke preset was reproduced; put back what a test changes."""
    return smoke_run.folder


@pytest.fixture
def unchanged(smoke: Path, shell: Shell) -> Iterator[Path]:
    """The smoke clone, put back afterwards as it was."""
    yield smoke
    # After `dvc exp run -S`, an edit that keeps the size can look clean to git's own index.
    shell("git", "read-tree", "HEAD", cwd=smoke)
    shell("git", "checkout", "-q", ".", cwd=smoke)
    shell("dvc", "checkout", "-q", "--force", cwd=smoke)


TOY = {
    "params.yaml": "seed: 1\n",
    "train.py": "import json, pathlib\n"
    "text = pathlib.Path('data/images').read_text()\n"
    "pathlib.Path('data/model').write_text(text * 2)\n"
    "pathlib.Path('metrics.json').write_text(json.dumps({'accuracy': 0.9, 'images': 10}))\n",
    "dvc.yaml": """\
stages:
  download:
    cmd: mkdir -p data && echo images > data/images
    outs: [data/images]
  train:
    cmd: python train.py
    deps: [data/images, train.py]
    params: [seed]
    outs: [data/model]
    metrics: [{metrics.json: {cache: false}}]
artifacts:
  toy: {path: data/model, type: model, desc: Images twice, labels: [toy]}
""",
}


@pytest.fixture(scope="session")
def reproduced_toy(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project of two stages without torch, reproduced and committed."""
    folder = tmp_path_factory.mktemp("toy") / "project"
    folder.mkdir()
    for name, text in TOY.items():
        (folder / name).write_text(text)
    for command in (
        ("git", "init", "-q"),
        ("dvc", "init", "-q"),
        ("dvc", "repro", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "run"),
    ):
        done = shell(*command, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def toy(reproduced_toy: Path, shell: Shell, tmp_path: Path) -> Path:
    """A fresh clone of the toy project: no data, no cache."""
    shell("git", "clone", "-q", str(reproduced_toy), "toy", cwd=tmp_path)
    return tmp_path / "toy"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one, these tests fail in CI and are skipped elsewhere."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        say = "no Chromium on the PATH: install one, on Debian with `apt-get install chromium`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(say)
    return found
