"""Folders that can't be written or are missing: a message that names them, before any work."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell
from tests.faults.conftest import (
    STAGES,
    Stage,
    end_is_quiet,
    ends_with_a_message,
    hashes,
    rare,
    read_only,
    with_mounts,
)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("train_lenet", "plots"),
        ("compare_models", "."),
        *rare(*((name, ".") for name in STAGES if name != "compare_models")),
        *rare(*(("check_shapes", "plots"),)),
        *rare(*(("train_lenet", folder) for folder in ("data", "metrics", "runs", ".checkpoints"))),
        *rare(*(("evaluate", folder) for folder in ("data", "metrics", "plots", "runs"))),
        *rare(*(("export_images", folder) for folder in ("metrics", "plots", "runs"))),
        *rare(("compare_models", "metrics"), ("download", "data")),
    ],
)
def test_a_read_only_folder_is_named(name: str, folder: str, project: Path, stage: Stage) -> None:
    before = hashes(project)
    done = stage(project, name, *with_mounts(read_only(folder)))
    ends_with_a_message(done, f"error: {project}", "can't be written", "read-only")
    assert f"/{folder}".rstrip("/.") in done.stderr
    # No epoch and no image came before it.
    assert done.stdout == ""
    assert hashes(project) == before


@pytest.mark.faults
@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("variables", [("HOME",), ("TMPDIR",), ("HOME", "TMPDIR")])
@pytest.mark.parametrize("place", ["missing", "read-only"])
def test_no_stage_needs_a_home_or_a_folder_of_its_own_for_temporary_files(
    name: str, variables: tuple[str, ...], place: str, project: Path, stage: Stage
) -> None:
    folder = project.parent / "elsewhere"
    before: tuple[str, ...] = ()
    if place == "read-only":
        before = with_mounts(read_only(str(folder)))
    done = stage(project, name, *before, **dict.fromkeys(variables, str(folder)))
    # matplotlib says where it keeps its fonts instead.
    end_is_quiet(done, lines=3)
    assert done.returncode == 0, done.stderr


def test_databases_of_dvc_that_cannot_be_written_are_named(shell: Shell, tmp_path: Path) -> None:
    site = str(tmp_path / "site")
    command = ("python", "-m", "fashion_cnn", "check-lock")
    variables = {"PYTHONPATH": str(ROOT / "src"), "DVC_SITE_CACHE_DIR": site}
    shell(*command, cwd=ROOT, **variables)
    done = shell(*with_mounts(read_only(site)), *command, cwd=ROOT, **variables)
    ends_with_a_message(done, "DVC's databases below", "make them writable, and run it again")


def test_no_folder_for_temporary_files_at_all(project: Path, stage: Stage) -> None:
    mounts = "; ".join(read_only(folder) for folder in ("/tmp", "/var/tmp", "/usr/tmp", "."))
    done = stage(project, "evaluate", *with_mounts(mounts), HOME="/nowhere", TMPDIR="/nowhere")
    end_is_quiet(done, lines=4)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
