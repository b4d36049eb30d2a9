"""A full disk: one message, nothing lost, and the same bytes once there is room again."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import (
    STAGES,
    Stage,
    end_is_quiet,
    ends_with_a_message,
    full,
    hashes,
    rare,
    with_mounts,
)

SOURCE = Path(__file__).with_name("full_disk.c")
# Of a stage's writes, at most so many are made to fail, spread evenly.
MOST = 12


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled SOURCE."""
    compiler = shutil.which("cc") or pytest.skip("a C compiler is needed")
    path = tmp_path_factory.mktemp("library") / "full_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"], check=True)
    return str(path)


@pytest.fixture
def project(project: Path, stage: Stage, request: pytest.FixtureRequest) -> Path:
    """A project in which the test's stage has run already."""
    if "export_images" in request.node.name:
        assert stage(project, "export_images").returncode == 0
    return project


def fail(project: Path, name: str, at: int, library: str, stage: Stage) -> None:
    """Run a stage whose disk is full from a write on; then again, with room."""
    before = hashes(project)
    done = stage(project, name, LD_PRELOAD=library, FAIL_AT=str(at), PYTHONDONTWRITEBYTECODE="1")
    ends_with_a_message(done, "free some space")
    changed = dict(hashes(project).items() - before.items())
    # A training writes these two after each epoch.
    assert changed.keys() <= {"metrics/train/lenet.json", "plots/training/lenet.csv"}, at
    done = stage(project, name)
    assert done.returncode == 0, done.stderr
    assert hashes(project) == before, at


@pytest.mark.parametrize(("name", "at"), [("compare_models", 1), ("train_lenet", 30)])
def test_from_some_write_on(name: str, at: int, project: Path, library: str, stage: Stage) -> None:
    fail(project, name, at, library, stage)


@pytest.mark.faults
@pytest.mark.parametrize("name", STAGES)
def test_from_every_write_on(
    name: str, project: Path, library: str, stage: Stage, fashion_mnist: Path, tmp_path: Path
) -> None:
    if name == "download":
        (project / "data/fashion_mnist").unlink()
    counted = tmp_path / "writes"
    done = stage(
        project, name, LD_PRELOAD=library, WRITES=str(counted), PYTHONDONTWRITEBYTECODE="1"
    )
    assert done.returncode == 0
    count = int(counted.read_text())
    places = sorted({1 + place * (count - 1) // MOST for place in range(MOST + 1)})
    print(f"{name}: {count} writes, {len(places)} made to fail")
    for at in places:
        fail(project, name, at, library, stage)


TRAINING = (
    *("data/epoch_weights", "data/initial_kernels", "data/models"),
    *("metrics", "plots", "runs", ".checkpoints"),
)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("compare_models", "metrics"),
        *rare(*(("check_shapes", folder) for folder in ("plots/shapes", "plots"))),
        *rare(*(("train_lenet", folder) for folder in TRAINING)),
        *rare(*(("evaluate", name) for name in ("data/predictions", "metrics", "plots", "runs"))),
        *rare(*(("export_images", folder) for folder in ("metrics", "plots", "runs"))),
    ],
)
def test_the_full_disk_is_named(name: str, folder: str, project: Path, stage: Stage) -> None:
    before = hashes(project)
    done = stage(project, name, *with_mounts(full(folder)))
    ends_with_a_message(done, f"error: {project / folder}", "its disk is full (0.0 MB are free")
    done = stage(project, name)
    end_is_quiet(done)
    assert done.returncode == 0
    assert hashes(project) == before
