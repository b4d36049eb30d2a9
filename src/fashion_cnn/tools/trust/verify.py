"""Make the committed run again from nothing, and compare it with what the commit says."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.tools import git, lockfile
from fashion_cnn.tools.revision import MEASURED, Revision
from fashion_cnn.tools.trust import lock

TOLERANCES = {
    **dict.fromkeys(("accuracy", "top_2_accuracy", "macro_f1", "train_accuracy"), 0.02),
    **dict.fromkeys(("accuracy_low", "accuracy_high", "validation_accuracy"), 0.02),
    "expected_calibration_error": 0.02,
    **dict.fromkeys(("loss", "train_loss", "validation_loss"), 0.1),
    **dict.fromkeys(("images", "epoch", "parameters", "weight_bytes", "multiply_accumulates"), 0.0),
}
"""How far a number may differ on another kind of device; numbers not listed are not compared."""


class Run(NamedTuple):
    """What a run wrote: the MD5 of each (stage, file), and the numbers of each metrics file."""

    hashes: Mapping[tuple[str, str], str]
    numbers: Mapping[str, Mapping[str, Any]]


class Finding(NamedTuple):
    """How one file came out when it was made again."""

    stage: str
    file: str
    found: str
    fault: bool = False


def verify(model: str | None) -> None:
    """Print, for each file of the commit's run, whether it came out the same again.

    Args:
        model: only the stages of this model; None for the whole pipeline.

    Raises:
        InputError: the commit's dvc.lock is stale, a stage fails, or a file is not the same.
    """
    folder = root()
    git.check(folder)
    with TemporaryDirectory(prefix="verify-") as scratch:
        clone = Path(scratch) / "clone"
        _run("git", "clone", "--quiet", str(folder), str(clone), cwd=folder)
        if stale := lock.faults(clone):
            raise InputError("\n".join(["HEAD's dvc.lock does not belong to it:", *stale]))
        before = read(clone)
        stages = sorted({stage for stage, _ in before.hashes if _concerns(stage, model)})
        dvc = (sys.executable, "-m", "dvc")
        # An empty cache, so that every stage runs, whatever the user's configuration says.
        _run(*dvc, "cache", "dir", "--local", str(Path(scratch) / "cache"), cwd=clone)
        _run(*dvc, "repro", *stages, cwd=clone, data=folder / "data" / "fashion_mnist")
        findings = [each for each in compare(before, read(clone)) if each.stage in stages]
    headers = ("stage", "file", "made again")
    print(tabulate([each[:3] for each in findings], headers, tablefmt="github"))
    if faults := sum(finding.fault for finding in findings):
        raise InputError(f"{faults} of {len(findings)} files are not what the commit says")
    print(f"\nall {len(findings)} files are what the commit says")


def compare(before: Run, after: Run) -> Iterator[Finding]:
    """Yield a finding for each file of `before`.

    Where `made_with` of metrics/train/MODEL.json is the same, the bytes must be too. Elsewhere the
    numbers must lie within TOLERANCES, and other files may differ, except for the data.
    """
    for (stage, file), md5 in before.hashes.items():
        if after.hashes.get((stage, file)) == md5:
            yield Finding(stage, file, "same bytes")
        elif stage == "download":
            yield Finding(stage, file, "OTHER DATA", fault=True)
        elif not (reason := _other_kind(stage, before, after)):
            yield Finding(stage, file, "OTHER BYTES on the same kind of device", fault=True)
        elif file not in before.numbers:
            yield Finding(stage, file, f"other bytes, {reason}")
        elif beyond := _beyond(before.numbers[file], after.numbers.get(file, {})):
            found = f"BEYOND TOLERANCE: {', '.join(beyond)}; {reason}"
            yield Finding(stage, file, found, fault=True)
        else:
            yield Finding(stage, file, f"within tolerance, {reason}")


def _other_kind(stage: str, before: Run, after: Run) -> str:
    """Return how the devices and versions differ that trained a stage's model; "" if they don't."""
    models = [model for model in MODELS if _concerns(stage, model)] or MODELS
    for file in (f"metrics/train/{model}.json" for model in models):
        was, now = (run.numbers.get(file, {}).get("made_with", {}) for run in (before, after))
        if differing := [name for name in (was | now) if was.get(name) != now.get(name)]:
            return "; ".join(f"{name} {was.get(name)} -> {now.get(name)}" for name in differing)
    return ""


def _beyond(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the numbers that differ by more than their tolerance, or are gone."""
    return [
        f"{name} {before[name]} -> {after.get(name)}"
        for name, tolerance in TOLERANCES.items()
        if name in before
        and not math.isclose(
            before[name], after.get(name, math.nan), rel_tol=0, abs_tol=tolerance + 1e-9
        )
    ]


def read(folder: Path) -> Run:
    """Return what a folder's last run wrote, by its dvc.lock and its metrics files."""
    with closing(Revision(folder)) as revision:
        outputs = lockfile.read(revision).outputs
        numbers = {
            file.path: revision.numbers_in(file.path, Path(file.path).stem)
            for file in outputs
            if file.path.startswith(("metrics", *MEASURED)) and file.path.endswith(".json")
        }
    return Run({(file.stage, file.path): file.md5 for file in outputs}, numbers)


def _concerns(stage: str, model: str | None) -> bool:
    return model is None or stage == MODELS[model] or stage.endswith(f"@{model}")


def _run(*command: str, cwd: Path, data: Path | None = None) -> None:
    """Run a command with this Python first on the PATH; its output goes to the terminal."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = os.environ | {"PATH": path}
    if data is not None and data.is_dir():
        variables.setdefault("FASHION_MNIST_DIR", str(data))
    if status := subprocess.run(command, cwd=cwd, env=variables, check=False).returncode:
        raise InputError(f"`{' '.join(command)}` ended with status {status}")
