"""`make bench-stages`: the seconds of a pipeline run, by stage and part, and DVC's own.

The pipeline runs in a clone of the commit, with a cache of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from shutil import copytree, ignore_patterns
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks import measure
from benchmarks.stages import watched
from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.paths import root
from fashion_cnn.core.compute import prepare

COLUMNS = ["import", *watched.PARTS, "other"]
SHIM = """#!/bin/sh
# What DVC starts as `python -S stages/...` is watched; any other Python is itself.
case "$1 $2" in
"-S stages/"*) shift; exec '{python}' -S '{watched}' '{report}' {clock} "$@" ;;
esac
exec '{python}' "$@"
"""


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-stages", description=__doc__)
    parser.add_argument("--preset", help="instead of params.yaml as it is committed")
    parser.add_argument("--rounds", type=int, default=5, help="of `dvc status` and `dvc repro`")
    parser.add_argument(
        "--processor",
        action="store_const",
        const="process_time",
        default="perf_counter",
        help="count the processor's seconds, on a busy machine",
    )
    parser.add_argument(
        "stages", nargs="*", help="only these, from the outputs of the others that are here"
    )
    arguments = parser.parse_args()
    print(measure.made_with(prepare("cpu", "auto")), end="\n\n")
    table, seconds = pipeline(arguments.preset, arguments.stages, arguments.processor)
    print(with_totals(table, seconds).round(1).to_markdown(floatfmt=".1f"), end="\n\n")
    if arguments.rounds:
        status, repro = idle(arguments.rounds, arguments.processor)
        print(
            f"nothing to do, {arguments.rounds} rounds: dvc status {median(status):.2f} s, dvc "
            f"repro {median(repro):.2f} s, {median(repro) / median(status):.2f} times as long"
        )


def pipeline(preset: str | None, stages: list[str], clock: str) -> tuple[pd.DataFrame, float]:
    """Run the pipeline in a clone.

    Args:
        preset: written to params.yaml first; None for what is committed.
        stages: which alone to run, from the data that is in this checkout; empty for all.
        clock: perf_counter for seconds as they pass, process_time for the processor's.

    Returns:
        A row per stage with the seconds of its parts, and the seconds of `dvc repro` as a whole.

    Raises:
        InputError: a stage fails.
    """
    folder = root()
    runs = folder / "runs"
    runs.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=runs, prefix="stages-") as scratch:
        clone, report = Path(scratch, "clone"), Path(scratch, "report")
        _call(["git", "clone", "--quiet", str(folder), str(clone)], folder)
        if stages:
            # Stages put new files in the place of old ones, so that these may be links.
            ours = ignore_patterns(".gitignore")
            copytree(folder / "data", clone / "data", False, ours, os.link, dirs_exist_ok=True)
        if preset:
            _call([sys.executable, "-m", "fashion_cnn", "preset", preset], clone, PYTHONPATH="src")
        shim = Path(scratch, "bin", "python")
        shim.parent.mkdir()
        names = {"python": sys.executable, "watched": watched.__file__, "report": report}
        shim.write_text(SHIM.format(**names, clock=clock))
        shim.chmod(0o755)
        _call(["dvc", "cache", "dir", "--local", str(Path(scratch, "cache"))], clone)
        chosen = ["--single-item", *stages] if stages else []
        path = os.pathsep.join([str(shim.parent), os.environ["PATH"]])
        data = {"FASHION_MNIST_DIR": str(folder / "data/fashion_mnist"), "PATH": path}
        used = _used(clock)
        _call(["dvc", "repro", "--force", *chosen], clone, **data)
        seconds = _used(clock) - used
        lines = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    rows = {" ".join([Path(script).stem, *names[:1]]): parts for (script, *names), parts in lines}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.reindex(columns=COLUMNS).fillna(0.0), seconds


def with_totals(table: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Return the table with a column and a row of sums, DVC's own time, and shares of the whole."""
    dvc = seconds - table.to_numpy().sum()
    table = table.copy()
    table.loc["DVC and shell"] = pd.Series({"other": dvc})
    table["all"] = table.sum(axis=1)
    table.loc["all"] = table.sum()
    table.loc["% of all"] = table.loc["all"] * 100 / seconds
    return table.fillna(0.0)


def idle(rounds: int, clock: str) -> tuple[list[float], list[float]]:
    """Return the seconds of `dvc status` and `dvc repro`, in turn, where nothing is to do.

    Raises:
        InputError: there is something to do.
    """
    done = subprocess.run(
        ["dvc", "status", "--json"], cwd=root(), capture_output=True, text=True, check=True
    )
    if json.loads(done.stdout):
        raise InputError("the run here is not current: run `dvc repro` first")
    seconds: dict[str, list[float]] = {"status": [], "repro": []}
    for _ in range(rounds):
        for command, each in seconds.items():
            used = _used(clock)
            _call(["dvc", command], root())
            each.append(_used(clock) - used)
    return seconds["status"], seconds["repro"]


def _used(clock: str) -> float:
    """Return the seconds that have passed, or that the processor has spent on commands so far."""
    if clock == "perf_counter":
        return time.perf_counter()
    spent = getrusage(RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _call(command: list[str], folder: Path, **variables: str) -> None:
    """Run a command; what it prints goes to the standard error."""
    environment = os.environ | variables
    done = subprocess.run(command, cwd=folder, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise InputError(f"`{' '.join(command)}` ended with status {done.returncode}")


if __name__ == "__main__":
    run(main)
