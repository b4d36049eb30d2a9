"""Experiments beside each other: what differs between them, and what came of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fashion_cnn.experiments import as_yaml, dvc

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
    shown = json.loads(dvc("exp", "show", "--json"))
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
            ", ".join(f"{name}={as_yaml(value)}" for name, value in parts.items()),
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
