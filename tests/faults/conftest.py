"""Stages in a small project of their own, and the one rule for how a fault may end."""

import functools
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, put_preset
from tests.made_weights import save_vgg

Run = subprocess.CompletedProcess[str]
Stage = Callable[..., Run]
# Each stage's script and arguments.
STAGES = {
    "check_shapes": ("check_shapes",),
    "train_lenet": ("train", "lenet", "--keep-epochs"),
    "evaluate": ("evaluate", "lenet"),
    "export_images": ("export_images", "lenet"),
    "compare_models": ("compare_models",),
    "download": ("download",),
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
