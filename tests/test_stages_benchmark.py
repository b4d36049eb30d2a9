"""The time of a run is shared out among its stages and their parts, and none is lost."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.stages import __main__ as stages
from benchmarks.stages import watched
from tests.conftest import ROOT


@pytest.mark.parametrize("path", [*(path for paths in watched.PARTS.values() for path in paths)])
def test_every_function_that_is_timed_exists(path: str) -> None:
    *parents, name = f"fashion_cnn.{path}".split(".")
    classes = [part for part in parents if part[0].isupper()]
    owner = import_module(".".join(parents[: len(parents) - len(classes)]))
    for part in classes:
        owner = getattr(owner, part)
    assert name in vars(owner)


def test_a_part_leaves_out_the_parts_that_it_calls() -> None:
    clock = watched.Clock("perf_counter")
    now = 0.0
    clock.now, clock.since, clock.running = (lambda: now), 0.0, ["other"]

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    def fit() -> None:
        wait(1)
        for _ in range(3):
            step(10)
        written(100)

    step = clock.timed(wait, "first step", "training")
    written = clock.timed(wait, "writing")
    clock.timed(fit, "training")()
    wait(1_000)
    clock.turn()
    assert clock.seconds == {"training": 21, "first step": 10, "writing": 100, "other": 1_000}


def test_a_stage_runs_watched_as_it_runs_otherwise(tmp_path: Path) -> None:
    for name in ("plots/confusion", "metrics"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "src", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    for table in (ROOT / "plots/confusion").glob("*.csv"):
        (tmp_path / "plots/confusion" / table.name).symlink_to(table)
    command = [sys.executable, "-S", watched.__file__, "report", "perf_counter"]
    done = subprocess.run(
        [*command, "stages/compare_models.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "metrics/compare_models.json").read_text()
    assert written == (ROOT / "metrics/compare_models.json").read_text()
    arguments, seconds = json.loads((tmp_path / "report").read_text())
    assert arguments == ["stages/compare_models.py"]
    assert set(seconds) == {"import", "data", "evaluation", "writing", "other"}
    assert min(seconds.values()) >= 0


def test_sums_and_shares_stand_beside_the_parts() -> None:
    table = pd.DataFrame({"import": [1.0, 2.0], "training": [3.0, 0.0]}, index=["a", "b"])
    found = stages.with_totals(table.assign(other=0.0), 10.0)
    assert found["all"].to_dict() == {
        "a": 4,
        "b": 2,
        "DVC and shell": 4,
        "all": 10,
        "% of all": 100,
    }
    assert found.loc["% of all", ["import", "training", "other"]].to_list() == [30, 30, 40]
