"""Stages in a small project of their own, and the one rule for how a fault may end."""

import functools
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, put_preset
from tests.made_weights import save_vgg

Run = subprocess.CompletedProcess[str]
Stage = Callable[..., Run]
# Calls a program with the number of the write from which on its disk is full, or 0 for none, and
# perhaps the seconds after which it is killed; how it ended and how many writes it made come back.
Forked = Callable[..., tuple[Run, int]]
Start = Callable[[str, Path], AbstractContextManager[Forked]]
HERE = Path(__file__).parent
# Each stage's script and arguments.
STAGES = {
    "check_shapes": ("check_shapes",),
    "train_lenet": ("train", "lenet", "--keep-epochs"),
    "evaluate": ("evaluate", "lenet"),
    "export_images": ("export_images", "lenet"),
    "compare_models": ("compare_models",),
    "download": ("download",),
}

# What each program imports: it is forked from a process that has these.
MODULES = {
    "check_shapes": "fashion_cnn.costs.budget,fashion_cnn.training.memory",
    "train_lenet": "fashion_cnn.training.run",
    "evaluate": "fashion_cnn.evaluation.measures,fashion_cnn.evaluation.tensorboard",
    "export_images": "fashion_cnn.visualize.inspection",
    "compare_models": "fashion_cnn.pairwise",
    "download": "fashion_cnn.sources.overview",
    "explore": "fashion_cnn.explore.page,fashion_cnn.explore.contents",
    "report": "fashion_cnn.tools.report.writing",
    "predict": "fashion_cnn.tools.prediction.predicting",
    "export": "fashion_cnn.tools.prediction.exporting",
}
COMMANDS = {
    "report": ("-m", "fashion_cnn", "report", "--output=written"),
    "predict": ("-m", "fashion_cnn", "predict", "lenet", "picture.png", "--show=written"),
    "export": ("-m", "fashion_cnn", "export", "lenet"),
}


def rare(*cases: tuple[object, ...]) -> list[Any]:
    """Cases that only `make test-faults` runs."""
    return [pytest.param(*case, marks=pytest.mark.faults) for case in cases]


def end_is_quiet(done: Run, sent: int = 0, lines: int = 1) -> None:
    """Hold that a process ended by itself or by the signal `sent`, in a few lines at most.

    This is the rule for every case in this folder.
    """
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= lines, done.stderr
    assert done.returncode >= 0 or done.returncode == -sent, done.stderr


def ends_with_a_message(done: Run, *parts: str) -> None:
    """Hold that a process ended with status 1 and a message of one line that has all `parts`."""
    end_is_quiet(done)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    for part in parts:
        assert part in done.stderr


def hashes(project: Path) -> dict[str, str]:
    """The SHA-256 of everything that the stages write, but for what varies from run to run."""
    files = [
        path
        for folder in ("data", "metrics", "plots", "written")
        for path in (project / folder).rglob("*")
        if path.is_file()
    ]
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def arguments(name: str) -> tuple[str, ...]:
    """The command line of a stage."""
    script, *given = STAGES.get(name, (name,))
    return ("python", "-S", str(ROOT / "stages" / f"{script}.py"), *given)


@pytest.fixture(scope="session")
def stage(shell: Shell) -> Stage:
    """Run a stage in a project, by way of another command where one is given."""

    def call(project: Path, name: str, *before: str, **variables: str) -> Run:
        return shell(
            *before,
            *arguments(name),
            cwd=project,
            PYTHONPATH=str(ROOT / "src"),
            OMP_NUM_THREADS="1",
            **variables,
        )

    return call


@pytest.fixture(scope="session")
def made(
    stage: Stage, shell: Shell, fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project in which LeNet is trained and evaluated; the other models' answers are its."""
    folder = tmp_path_factory.mktemp("made") / "project"
    (folder / "data").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "presets", "src"):
        (folder / name).symlink_to(ROOT / name)
    smaller = (("train_images: 4000", "train_images: 640"), ("test_images: 500", "test_images: 50"))
    put_preset(folder, shell, "smoke", *smaller)
    (folder / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    for name in ("check_shapes", "train_lenet", "evaluate"):
        assert stage(folder, name).returncode == 0
    answers = folder / "plots" / "confusion"
    for model in ("vgg", "vgg11"):
        shutil.copy(answers / "lenet.csv", answers / f"{model}.csv")
    assert stage(folder, "compare_models").returncode == 0
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of `made`, for one test."""
    return shutil.copytree(made, tmp_path / "project", symlinks=True)


def prepare(project: Path, name: str) -> None:
    """Give a stage what it needs besides: the second network, a folder of data of its own."""
    if name == "download":
        (project / "data/fashion_mnist").unlink()
    if name == "explore":
        save_vgg(project / "data/models/vgg.safetensors")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled full_disk.c."""
    compiler = shutil.which("cc") or pytest.skip("a C compiler is needed")
    path = tmp_path_factory.mktemp("library") / "full_disk.so"
    source = HERE / "full_disk.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source, "-ldl"], check=True)
    return str(path)


@pytest.fixture
def forked(library: str, environment: dict[str, str]) -> Start:
    """Start programs that are called again and again."""
    return functools.partial(forks, library, environment)


@contextmanager
def forks(library: str, environment: dict[str, str], name: str, project: Path) -> Iterator[Forked]:
    """Start a process that becomes a program whenever it is called."""
    program = COMMANDS.get(name) or arguments(name)[2:]
    variables = {"LD_PRELOAD": library, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        (sys.executable, "-S", HERE / "forks.py", MODULES[name], *program),
        cwd=project,
        env=environment | variables | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout

        def call(full_from: int = 0, killed_after: float = 0) -> tuple[Run, int]:
            print(full_from, killed_after, file=process.stdin, flush=True)
            status, errors, writes = json.loads(process.stdout.readline())
            return subprocess.CompletedProcess(program, status, "", errors), writes

        yield call
        process.stdin.close()


def runs_well(call: Forked, project: Path) -> tuple[dict[str, str], int]:
    """Run a program with room on its disk; return the hashes and how many writes it made."""
    done, writes = call()
    end_is_quiet(done, lines=9)
    assert done.returncode == 0, done.stderr
    return hashes(project), writes


@functools.cache
def namespace() -> tuple[str, ...]:
    """A command that runs another one with mounts of its own; skips where none may be made."""
    for command in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        probe = (*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt")
        if shutil.which("unshare") and not subprocess.run(probe, check=False).returncode:
            return command
    return pytest.skip("this user may not mount anything")


def with_mounts(script: str) -> tuple[str, ...]:
    """A command that runs another one after a shell script has made mounts that it alone sees."""
    return (*namespace(), "sh", "-euc", f'{script}\ncd "$PWD"\nexec "$@"', "sh")


def full(folder: str) -> str:
    """A script that mounts a full disk on a folder."""
    return (
        f"mkdir -p {folder}; mount -t tmpfs -o size=64k tmpfs {folder}; "
        f"cat /dev/zero > {folder}/fill 2> /dev/null || true"
    )


def read_only(folder: str) -> str:
    """A script that makes a folder read-only, also for root."""
    return f"mkdir -p {folder}; mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
