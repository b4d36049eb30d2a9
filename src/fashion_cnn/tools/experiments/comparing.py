"""Experiments beside each other: what differs between them, and what came of it."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fashion_cnn.tools.experiments.running import as_yaml, dvc

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
        A line for the commit, and one for those that differ from it in this model and are alike
        among themselves, with METRICS and what differs; under it, what differs from the commit in
        all of them. None where none differs.
    """
    commit = experiments[1]
    groups = _alike(model, experiments)
    if not groups:
        return None
    differences = [group[0].differences(commit, model) for group in groups]
    shared = {
        name: value
        for name, value in differences[0].items()
        if len(groups) > 1 and all(name in each and each[name] == value for each in differences)
    }
    varied = {name for each in differences for name in each} - set(shared)
    cells = [([commit], {name: commit.params[name] for name in commit.params if name in varied})]
    cells += [
        (group, {name: value for name, value in each.items() if name in varied})
        for group, each in zip(groups, differences, strict=True)
    ]
    cells.sort(key=lambda cell: cell[0][0].values(model)[0] or 0.0, reverse=True)
    lines = [
        [
            _told(group),
            *("-" if value is None else f"{value:.4f}" for value in group[0].values(model)),
            _settings(parts) or ("no other parameter" if shared else "no parameter"),
        ]
        for group, parts in cells
    ]
    name_width = min(max(len(line[0]) for line in lines), 30)
    rest = width - name_width - 2 - sum(len(max(h.split("\n"), key=len)) + 2 for h in METRICS)
    told = tabulate(
        lines,
        ["experiment", *METRICS, "what differs"],
        disable_numparse=True,
        colalign=["left", *["right"] * len(METRICS), "left"],
        maxcolwidths=[name_width, *[None] * len(METRICS), rest],
    )
    if not shared:
        return told
    return told + "\n" + textwrap.fill(f"all but {commit.name}: {_settings(shared)}", width)


def _alike(model: str, experiments: list[Experiment]) -> list[list[Experiment]]:
    """Return those that differ from the commit in a model, the ones that are alike together."""
    working_tree, commit, *others = experiments
    found: list[tuple[object, list[Experiment]]] = [(("done", {}, commit.values(model)), [])]
    for each in [working_tree, *others]:
        key = (each.state, each.differences(commit, model), each.values(model))
        for known, group in found:
            if key == known:
                group.append(each)
                break
        else:
            found.append((key, [each]))
    return [group for _, group in found[1:]]


def _told(group: list[Experiment]) -> str:
    """Return the names of experiments that are alike, and how far they are."""
    names = [each.name for each in group]
    shown = (
        ", ".join(names)
        if len(names) < 4
        else f"{names[0]}, {names[1]} and {len(names) - 2} others"
    )
    return shown if group[0].state == "done" else f"{shown} ({group[0].state})"


def _settings(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={as_yaml(value)}" for name, value in params.items())


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
