"""DVC's experiments: run one, read what came of it, and a table of what differs between them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tabulate import tabulate

from fashion_cnn.errors import InputError
from fashion_cnn.project import root

# The metrics that matter, by the heads of their columns: validation to choose by, test to report.
METRICS = {
    "validation\naccuracy": ("train", "validation_accuracy"),
    "test\naccuracy": ("evaluate", "accuracy"),
    "test\nloss": ("evaluate", "loss"),
}


@dataclass(frozen=True)
class Experiment:
    """An experiment, the commit it stands on, or the working tree, as `dvc exp show` knows it."""

    name: str
    state: str
    params: dict[str, Any]
    metrics: dict[str, dict[str, Any]]

    def differences(self, other: "Experiment", model: str) -> dict[str, Any]:
        """Return the parameters that act on a model and are not as in `other`, by name."""
        sections = (f"{model}.", "dataset.", "evaluate.")
        return {
            name: value
            for name, value in self.params.items()
            if name.startswith(sections) and value != other.params.get(name, value)
        }

    def values(self, model: str) -> list[float | None]:
        """Return METRICS of a model; None for what was not measured of its present weights."""
        files = {
            stage: self.metrics.get(f"metrics/{stage}/{model}.json", {})
            for stage, _ in METRICS.values()
        }
        return [files[stage].get(name) for stage, name in METRICS.values()]


def collect() -> list[Experiment]:
    """Return the working tree, the last commit, and the experiments that stand on it."""
    shown = json.loads(_dvc("exp", "show", "--json"))
    found = []
    for commit in shown:
        found.append(_experiment(commit, _name(commit), "done"))
        for each in commit["experiments"] or []:
            state = (each["executor"] or {}).get("state", "success")
            tip = each["revs"][0]
            found.append(
                _experiment(
                    tip, each["name"] or _name(tip), "done" if state == "success" else state
                )
            )
    return found


def table(model: str, experiments: list[Experiment], width: int = 100) -> str | None:
    """Return a model's experiments, best first, beside the commit that they stand on.

    Args:
        model: lenet, vgg or vgg11.
        experiments: those of `collect`: the working tree, the commit, its experiments.
        width: of the table's lines, in characters.

    Returns:
        A line for each that differs from the commit in this model, and for the commit, with what
        differs and METRICS; None where none differs.
    """
    commit = experiments[1]
    rows = [
        each
        for each in [experiments[0], *experiments[2:]]
        if each.differences(commit, model) or each.values(model) != commit.values(model)
    ]
    if not rows:
        return None
    varied = {name for each in rows for name in each.differences(commit, model)}
    cells = [(commit, {name: commit.params[name] for name in commit.params if name in varied})]
    cells += [(each, each.differences(commit, model)) for each in rows]
    cells.sort(key=lambda cell: cell[0].values(model)[0] or 0.0, reverse=True)
    heads = ["experiment", *METRICS, "what differs"]
    lines = [
        [
            each.name if each.state == "done" else f"{each.name} ({each.state})",
            *("-" if value is None else f"{value:.4f}" for value in each.values(model)),
            ", ".join(f"{name}={_text(value)}" for name, value in parts.items()),
        ]
        for each, parts in cells
    ]
    name_width = min(max(len(line[0]) for line in lines), 30)
    rest = width - name_width - 2 - sum(len(max(h.split("\n"), key=len)) + 2 for h in METRICS)
    return tabulate(
        lines,
        heads,
        disable_numparse=True,
        colalign=["left", *["right"] * len(METRICS), "left"],
        maxcolwidths=[name_width, *[None] * len(METRICS), rest],
    )


def run(name: str, changes: Mapping[str, object], target: str) -> None:
    """Run an experiment in a folder of its own, and keep it under `name`, in place of another.

    Args:
        name: what DVC shall call it.
        changes: values by the full names of parameters; the others are the working tree's.
        target: the stage to stop at.

    Raises:
        InputError: it failed.
    """
    log = log_file(name)
    with log.open("w", encoding="utf-8") as output, start(name, changes, target, output) as process:
        process.wait()
    if process.returncode:
        raise failure(name)


def start(
    name: str, changes: Mapping[str, object], target: str, output: IO[str]
) -> "subprocess.Popen[str]":
    """Start what `run` runs, in a process group of its own; its output goes to a file."""
    if reference(name):
        _dvc("exp", "remove", name)
    settings = [part for key, value in changes.items() for part in ("-S", f"{key}={_text(value)}")]
    command = ["dvc", "exp", "run", "--temp", "--name", name, *settings, target]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", *command],
        cwd=root(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def failure(name: str) -> InputError:
    """Return the error that says why an experiment failed."""
    log = log_file(name)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["unknown"]
    return InputError(f"experiment {name} failed: {told[0]}; all it said is in {log}")


def log_file(name: str) -> Path:
    """Return the file that an experiment's output goes to."""
    folder = root() / "runs" / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def reference(name: str) -> str:
    """Return git's reference of the last commit's experiment of this name; empty without one."""
    commit = _git("rev-parse", "HEAD").strip()
    pattern = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    return _git("for-each-ref", "--format=%(refname)", pattern).strip()


def metrics(name: str, file: str) -> dict[str, Any]:
    """Return what an experiment wrote to a metrics file."""
    values: dict[str, Any] = json.loads(_git("show", f"{reference(name)}:{file}"))
    return values


def code() -> str:
    """Return git's hash of the package as the last commit has it."""
    return _git("rev-parse", "HEAD:src").strip()


def _experiment(state: Mapping[str, Any], name: str, progress: str) -> Experiment:
    data = state["data"] or {}
    params = _flat(data.get("params", {}).get("params.yaml", {}).get("data", {}))
    files = {file: read.get("data", {}) for file, read in data.get("metrics", {}).items()}
    outs, deps = data.get("outs", {}), data.get("deps", {})
    for weights in [path for path in outs if path.startswith("data/models/")]:
        # Where training alone ran, the evaluation in git is still of the commit's weights.
        if outs[weights]["hash"] != deps.get(weights, {}).get("hash"):
            files.pop(f"metrics/evaluate/{Path(weights).stem}.json", None)
    return Experiment(name, progress, params, files if progress == "done" else {})


def _name(state: Mapping[str, Any]) -> str:
    revision: str = state["rev"]
    return state["name"] or (revision if revision == "workspace" else revision[:7])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return dict(_items(values, prefix))


def _items(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: object) -> str:
    """Return a value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _dvc(*arguments: str) -> str:
    return _output(sys.executable, "-m", "dvc", *arguments)


def _git(*arguments: str) -> str:
    return _output("git", *arguments)


def _output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=root(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = done.stderr.strip().splitlines()[:1] or ["it failed"]
        raise InputError(f"`{' '.join(command[-4:])}`: {told[0]}")
    return done.stdout
