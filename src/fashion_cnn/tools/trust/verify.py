"""Make the committed run again from nothing, and hold it against what the commit says."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.tools.trust import lock

TOLERANCES = {
    **dict.fromkeys(("accuracy", "top_2_accuracy", "macro_f1", "train_accuracy"), 0.02),
    **dict.fromkeys(("accuracy_low", "accuracy_high", "validation_accuracy"), 0.02),
    "expected_calibration_error": 0.02,
    **dict.fromkeys(("loss", "train_loss", "validation_loss"), 0.1),
    **dict.fromkeys(("images", "epoch", "parameters", "weight_bytes", "multiply_accumulates"), 0.0),
}
"""How far a metric may lie from the commit's on another kind of device; others are not held."""


@dataclass(frozen=True)
class Run:
    """What a run wrote: hashes by (stage, file), and every metrics file's values."""

    hashes: Mapping[tuple[str, str], str]
    metrics: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One file of the run made again; `fault` is empty where it is as it should be."""

    stage: str
    file: str
    found: str
    fault: bool = False


def verify(model: str | None) -> None:
    """Print, for each file of the commit's run, whether making it again gives the same.

    Args:
        model: of whose stages alone; None for the whole pipeline.

    Raises:
        InputError: the commit's dvc.lock is stale, a stage fails, or a file is not the same.
    """
    folder = root()
    with TemporaryDirectory(prefix="verify-") as scratch:
        clone = Path(scratch) / "clone"
        _run("git", "clone", "--quiet", str(folder), str(clone), cwd=folder)
        if stale := lock.faults(clone):
            raise InputError("\n".join(["HEAD's dvc.lock does not belong to it:", *stale]))
        before = _read(clone)
        stages = sorted({stage for stage, _ in before.hashes if _concerns(stage, model)})
        dvc = (sys.executable, "-m", "dvc")
        # A cache of its own, whatever the user's configuration says: nothing is taken from there.
        _run(*dvc, "cache", "dir", "--local", str(Path(scratch) / "cache"), cwd=clone)
        _run(*dvc, "repro", *stages, cwd=clone, data=folder / "data" / "fashion_mnist")
        findings = [
            finding
            for finding in compare(before, _read(clone))
            if model is None or finding.stage in stages
        ]
    rows = [(each.stage, each.file, each.found) for each in findings]
    print(tabulate(rows, headers=("stage", "file", "made again"), tablefmt="github"))
    if faults := sum(finding.fault for finding in findings):
        raise InputError(f"{faults} of {len(findings)} files are not what the commit says")
    print(f"\nall {len(findings)} files are what the commit says")


def compare(before: Run, after: Run) -> Iterator[Finding]:
    """Yield a finding for each file of `before`.

    Where `made_with` of metrics/train/MODEL.json is the same, the bytes must be; elsewhere the
    metrics must lie within TOLERANCES, and other files may differ, but never the data.
    """
    for (stage, file), wanted in before.hashes.items():
        if after.hashes.get((stage, file)) == wanted:
            yield Finding(stage, file, "same bytes")
        elif stage == "download":
            yield Finding(stage, file, "OTHER DATA", fault=True)
        elif not (told := _other_kind(stage, before, after)):
            yield Finding(stage, file, "OTHER BYTES on the same kind of device", fault=True)
        elif file not in before.metrics:
            yield Finding(stage, file, f"other bytes, {told}")
        elif beyond := _beyond(before.metrics[file], after.metrics.get(file, {})):
            yield Finding(stage, file, f"BEYOND TOLERANCE: {', '.join(beyond)}; {told}", fault=True)
        else:
            yield Finding(stage, file, f"within tolerance, {told}")


def _other_kind(stage: str, before: Run, after: Run) -> str:
    """Return what differs between the devices that a stage's model was trained on."""
    named = [model for model in MODELS if _concerns(stage, model)]
    for model in named or MODELS:
        file = f"metrics/train/{model}.json"
        if file in before.metrics and "made_with" not in before.metrics[file]:
            return "the commit does not say what made it"
        was = before.metrics.get(file, {}).get("made_with", {})
        now = after.metrics.get(file, {}).get("made_with", {})
        if differing := [name for name in (was | now) if was.get(name) != now.get(name)]:
            return "; ".join(f"{name} {was.get(name)} -> {now.get(name)}" for name in differing)
    return ""


def _beyond(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the metrics that differ by more than their tolerance, or are not there."""
    return [
        f"{name} {before[name]} -> {after.get(name)}"
        for name, tolerance in TOLERANCES.items()
        if name in before
        and not math.isclose(
            before[name], after.get(name, math.nan), rel_tol=0, abs_tol=tolerance + 1e-9
        )
    ]


def _read(folder: Path) -> Run:
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    hashes = {
        (name, out["path"]): out["md5"] for name, stage in stages.items() for out in stage["outs"]
    }
    metrics = {
        file: json.loads((folder / file).read_text("utf-8"))
        for _, file in hashes
        if file.startswith("metrics") and file.endswith(".json")
    }
    return Run(hashes, metrics)


def _concerns(stage: str, model: str | None) -> bool:
    return model is None or stage == MODELS[model].stage or stage.endswith(f"@{model}")


def _run(*command: str, cwd: Path, data: Path | None = None) -> None:
    """Run a command with this Python first on the PATH; its output goes to the terminal."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = os.environ | {"PATH": path}
    if data is not None and data.is_dir():
        variables.setdefault("FASHION_MNIST_DIR", str(data))
    if status := subprocess.run(command, cwd=cwd, env=variables, check=False).returncode:
        raise InputError(f"`{' '.join(command)}` ended with status {status}")
