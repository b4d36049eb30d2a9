"""A full disk: one message, nothing lost, and the same bytes once there is room again."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.conftest import (
    MODULES,
    Forked,
    Stage,
    Start,
    end_is_quiet,
    ends_with_a_message,
    full,
    hashes,
    prepare,
    rare,
    runs_well,
    with_mounts,
)
from tests.tools.report.conftest import project as report_project  # noqa: F401 - a fixture

SLOWER = [name for name in MODULES if name != "compare_models"]
# Of more writes than twice as many, every second, third, ... is made to fail.
MOST = 120
# Folders that a stage removes before it writes them, as DVC does before it runs the stage.
REPLACED = tuple(f"plots/{name}/lenet/" for name in ("evaluate", "feature_maps", "kernels"))
# After a failure, these two may be of an epoch that is over: a training writes them each time.
EACH_EPOCH = {"metrics/train/lenet.json", "plots/training/lenet.csv"}


def fail(call: Forked, project: Path, at: int) -> None:
    """Run a program whose disk is full from a write on; then again, with room."""
    before = hashes(project)
    done, _ = call(at)
    assert done.stderr.splitlines()[-1].startswith("error: "), (at, done.stderr)
    after = hashes(project)
    lost = [name for name in before.keys() - after.keys() if not name.startswith(REPLACED)]
    assert not lost, at
    assert dict(after.items() - before.items()).keys() <= EACH_EPOCH, at
    ends_with_a_message(done, "free some space")
    named = ("its disk is full (0.0 MB are free", "No usable temporary", "DVC's databases below")
    assert any(each in done.stderr for each in named)
    # Else the program would do the same as before.
    if after != before or (project / ".checkpoints").exists():
        assert runs_well(call, project)[0] == before, at


@pytest.fixture
def place(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> Path:
    """A project for a program."""
    if name == "report":
        made: Path = request.getfixturevalue("report_project")
        return shutil.copytree(made, tmp_path / "report", symlinks=True)
    project: Path = request.getfixturevalue("project")
    prepare(project, name)
    Image.effect_noise((28, 28), 50).save(project / "picture.png")
    return project


@pytest.mark.parametrize("name", ["train_lenet"])
def test_full_in_the_middle_of_a_training(name: str, place: Path, forked: Start) -> None:
    with forked(name, place) as call:
        _, writes = runs_well(call, place)
        fail(call, place, writes // 2)


@pytest.mark.parametrize("name", ["compare_models", *rare(*((name,) for name in SLOWER))])
def test_full_from_every_write_on(name: str, place: Path, forked: Start) -> None:
    with forked(name, place) as call:
        runs_well(call, place)
        _, writes = runs_well(call, place)
        # The report's are hundreds, nearly all of them in DVC's databases.
        places = range(writes, 0, -max(1, writes // MOST))
        print(f"{name}: {writes} writes, {len(places)} made to fail")
        for at in places:
            fail(call, place, at)


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
