"""A run that is killed, by real signals at any moment, writes the same bytes as one that is not."""

import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fashion_cnn.models import lenet
from fashion_cnn.tracing import trace_network
from tests import recipes
from tests.conftest import ROOT, Shell

OUTPUTS = (
    "data/models/lenet.safetensors",
    "data/epoch_weights/lenet.safetensors",
    "metrics/train/lenet.json",
    "plots/training/lenet.csv",
)
STEPS = 3 * 94  # of tests/killed.py
Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def make_project(fashion_mnist: Path) -> Callable[[Path], Path]:
    """Return a function that makes a project's folder with data and shapes."""

    def make(folder: Path) -> Path:
        (folder / "data").mkdir(parents=True)
        (folder / "plots" / "shapes").mkdir(parents=True)
        (folder / "dvc.yaml").touch()
        (folder / "data" / "fashion_mnist").symlink_to(fashion_mnist)
        layers = json.dumps([asdict(row) for row in trace_network(lenet.build(), (1, 28, 28))])
        (folder / "plots" / "shapes" / "lenet.json").write_text(layers)
        return folder

    return make


@pytest.fixture(scope="module")
def train(shell: Shell) -> Train:
    """Return a function that trains in a folder by tests/killed.py, which dies where asked."""

    def call(
        project: Path, where: str = "never", *launcher: str
    ) -> subprocess.CompletedProcess[str]:
        command = launcher or (sys.executable,)
        return shell(
            *command,
            *("-m", "tests.killed", where),
            cwd=project,
            PYTHONPATH=f"{ROOT / 'src'}:{ROOT}",
            OMP_NUM_THREADS="1",
        )

    return call


def hashes(project: Path) -> list[str]:
    """Return the SHA-256 of each file that a training writes."""
    return [hashlib.sha256((project / name).read_bytes()).hexdigest() for name in OUTPUTS]


def logged(project: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return TensorBoard's curves, except the one of speed, and its pictures of each step."""
    sizes = {"scalars": 0, "images": 0}
    events = EventAccumulator(str(project / "runs/lenet"), size_guidance=sizes).Reload()
    curves = {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if tag != "images per second"
    }
    return curves | {
        tag: [(picture.step, picture.encoded_image_string) for picture in events.Images(tag)]
        for tag in events.Tags()["images"]
    }


@pytest.fixture(scope="module")
def whole(
    make_project: Callable[[Path], Path], train: Train, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with a run that was never interrupted."""
    project = make_project(tmp_path_factory.mktemp("whole"))
    done = train(project)
    assert done.returncode == 0, done.stderr
    return project


def test_a_run_killed_again_and_again_writes_the_same_bytes(
    whole: Path, make_project: Callable[[Path], Path], train: Train, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "killed")
    draw = random.Random(time.time_ns())
    # Together fewer than all steps, so that each process reaches the step where it dies.
    places = [f"step:{draw.randrange(20, STEPS // 4)}" for _ in range(3)]
    places += [f"writing:{draw.choice((1, 2))}", "saving"]
    for number, place in enumerate(places):
        done = train(project, place)
        assert done.returncode == -signal.SIGKILL, (places, done.stdout, done.stderr)
        assert not (project / OUTPUTS[0]).exists()
        assert ("resumed in epoch" in done.stdout) == (number > 0)
        assert len([*project.glob(".checkpoints/*/*.safetensors")]) in (0, 1, 2)
    done = train(project)
    assert done.returncode == 0, done.stderr
    assert "lenet: resumed in epoch" in done.stdout
    assert hashes(project) == hashes(whole), places
    assert logged(project) == logged(whole), places
    assert not [*project.glob(".checkpoints/*")]
    assert not [*project.glob("data/**/.*")]


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_to_stop_saves_the_current_step(
    whole: Path,
    make_project: Callable[[Path], Path],
    train: Train,
    tmp_path: Path,
    name: str,
    status: int,
) -> None:
    project = make_project(tmp_path / "stopped")
    at = random.Random(time.time_ns()).randrange(1, STEPS)
    done = train(project, f"step:{at}:{name}")
    assert done.returncode == status, (at, done.stderr)
    assert "Traceback" not in done.stderr
    assert f"stopped by {name}" in done.stderr
    done = train(project)
    assert done.returncode == 0, done.stderr
    found = re.search(r"resumed in epoch (\d) after (\d+) steps", done.stdout)
    assert found
    assert (int(found[1]) - 1) * 94 + int(found[2]) == at
    assert hashes(project) == hashes(whole), at
    assert logged(project) == logged(whole), at


def test_changed_data_begin_a_new_run_and_leave_the_other_ones_checkpoint(
    whole: Path, make_project: Callable[[Path], Path], train: Train, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "changed")
    assert train(project, "step:50:SIGTERM").returncode == 143
    (saved,) = project.glob(".checkpoints/*")
    labels = (project / "data/fashion_mnist/train-labels-idx1-ubyte").read_bytes()
    data = (project / "data/fashion_mnist").resolve()
    (project / "data/fashion_mnist").unlink()
    (project / "data/fashion_mnist").mkdir()
    for path in data.iterdir():
        (project / "data/fashion_mnist" / path.name).symlink_to(path)
    changed = project / "data/fashion_mnist/train-labels-idx1-ubyte"
    changed.unlink()
    changed.write_bytes(labels[:8] + labels[9:] + labels[8:9])
    done = train(project, "step:20:SIGTERM")
    assert "resumed" not in done.stdout
    assert len([*project.glob(".checkpoints/*")]) == 2
    changed.write_bytes(labels)
    assert "resumed in epoch 1 after 50 steps" in train(project).stdout
    assert hashes(project) == hashes(whole)
    assert saved not in project.glob(".checkpoints/*")


def test_the_next_commit_resumes_unless_the_code_of_the_training_differs(
    make_project: Callable[[Path], Path], shell: Shell, tmp_path: Path
) -> None:
    project, code = make_project(tmp_path / "project"), tmp_path / "code"
    for part in ("src", "tests", "presets"):
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, code)

    def begun(where: str) -> str:
        command = (sys.executable, "-m", "tests.killed", where)
        done = shell(*command, cwd=project, PYTHONPATH=f"{code / 'src'}:{code}")
        assert done.returncode in {0, 143}, done.stderr
        return done.stdout

    def commit(name: str) -> None:
        path = code / name
        path.write_text(path.read_text() + "# Changed.\n")

    begun("step:20:SIGTERM")
    commit("src/fashion_cnn/visualize/drawing.py")
    commit("tests/test_resume.py")
    assert "resumed in epoch 1 after 20 steps" in begun("step:5:SIGTERM")
    commit("src/fashion_cnn/training/loop.py")
    out = begun("step:5:SIGTERM")
    assert "resumed" not in out
    assert "lenet: begins anew, as a checkpoint does not fit: " in out
    assert out.rstrip().endswith(": other now: the code of training/loop.py")


LAUNCHER = ("torchrun", "--standalone", "--nproc-per-node=2")


def losses(project: Path) -> list[float]:
    """Return TensorBoard's curve of the running loss."""
    return [value for _, value in logged(project)["loss/training, running"]]


def test_several_processes_train_as_one_does(
    whole: Path, make_project: Callable[[Path], Path], train: Train, tmp_path: Path
) -> None:
    for count in (2, 4):
        project = make_project(tmp_path / f"on{count}")
        done = train(project, "never", *LAUNCHER[:-1], f"--nproc-per-node={count}")
        assert done.returncode == 0, done.stderr
        alone, together = losses(whole)[:10], losses(project)[:10]  # 50 steps
        assert together == pytest.approx(alone, abs=1e-3)
        metrics = recipes.train_metrics(project)
        assert metrics["made_with"]["processes"] == count
        expected = recipes.train_metrics(whole)
        assert metrics["validation_accuracy"] == pytest.approx(
            expected["validation_accuracy"], abs=0.02
        )
        assert done.stdout.count("lenet: validation accuracy") == 1


def test_a_killed_process_is_restarted_and_resumes(
    make_project: Callable[[Path], Path], train: Train, tmp_path: Path
) -> None:
    project, steady = make_project(tmp_path / "killed"), make_project(tmp_path / "steady")
    done = train(project, "step:200", *LAUNCHER, "--max-restarts=2")
    assert done.returncode == 0, done.stderr
    assert "lenet: resumed in epoch" in done.stdout
    assert train(steady, "never", *LAUNCHER).returncode == 0
    assert hashes(project) == hashes(steady)


def test_a_run_on_two_processes_resumes_on_one_and_the_other_way_around(
    whole: Path, make_project: Callable[[Path], Path], train: Train, tmp_path: Path
) -> None:
    orders: list[list[tuple[str, ...]]] = [[LAUNCHER, ()], [(), LAUNCHER]]
    for first, second in orders:
        project = make_project(tmp_path / f"on{len(first)}")
        train(project, "step:100:SIGTERM", *first)
        done = train(project, "never", *second)
        assert done.returncode == 0, done.stderr
        # Of two processes, both hear of the signal at the next step.
        assert f"lenet: resumed in epoch 2 after {6 + bool(first)} steps" in done.stdout
        metrics = recipes.train_metrics(project)
        made_with = metrics["made_with"]
        assert {made_with["processes"], made_with["begun_with"]["processes"]} == {1, 2}
        assert losses(project) == pytest.approx(losses(whole), abs=0.05)
        assert logged(project).keys() == logged(whole).keys()
