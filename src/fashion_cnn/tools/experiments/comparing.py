"""Experiments side by side: what differs between them, and how well each one does."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.params import whole
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools.experiments.running import as_yaml, dvc

# The metrics of the table, by column head: the stage that measures it, and its name.
METRICS = {
    "validation\naccuracy": ("train", "validation_accuracy"),
    "test\naccuracy": ("evaluate", "accuracy"),
    "test\nloss": ("evaluate", "loss"),
}


@dataclass(frozen=True)
class Experiment:
    """An experiment, the commit that it stands on, or the working tree.

    Attributes:
        name: as DVC has it.
        state: done, or how far it is.
        params: every parameter by its dotted name; each network's section is complete.
        metrics: the content of each metrics file, by path.
        inherited: names of params that come from `training`.
    """

    name: str
    state: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    inherited: frozenset[str] = frozenset()

    def differences(self, other: "Experiment", model: str) -> dict[str, Any]:
        """Return the parameters that concern a model and are not as in `other`, by name."""
        sections = (f"{model}.", "dataset.", "evaluate.")
        return {
            name: value
            for name, value in self.params.items()
            if name.startswith(sections) and value != other.params.get(name, value)
        }

    def values(self, model: str) -> list[float | None]:
        """Return METRICS of a model; None for what was not measured on its present weights."""
        files = {
            stage: self.metrics.get(f"metrics/{stage}/{model}.json", {}).get(model, {})
            for stage, _ in METRICS.values()
        }
        return [files[stage].get(name) for stage, name in METRICS.values()]

    def settings(self, params: Mapping[str, Any]) -> str:
        """Return parameters by the names under which they stand in params.yaml."""
        return ", ".join(f"{self._written(name)}={as_yaml(v)}" for name, v in params.items())

    def _written(self, name: str) -> str:
        return f"training.{name.partition('.')[2]}" if name in self.inherited else name


def collect() -> list[Experiment]:
    """Return the working tree, the last commit, and the experiments that stand on it."""
    found = []
    for commit in json.loads(dvc("exp", "show", "--json")):
        found.append(_experiment(commit, _name(commit), "done"))
        for each in commit["experiments"] or []:
            state = (each["executor"] or {}).get("state", "success")
            tip = each["revs"][0]
            name = each["name"] or _name(tip)
            found.append(_experiment(tip, name, "done" if state == "success" else state))
    return found


def table(model: str, experiments: list[Experiment], width: int = 100) -> str | None:
    """Return a model's experiments, best first, beside the commit that they stand on.

    Args:
        model: lenet, vgg or vgg11.
        experiments: as from `collect`: the working tree, the commit, its experiments.
        width: of the table's lines, in characters.

    Returns:
        One line for the commit, and one for each group of experiments that are alike and differ
        from the commit in this model, with METRICS and what differs. Below the table stands what
        differs from the commit in all of them. None where nothing differs.
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
    rows = [([commit], {name: value for name, value in commit.params.items() if name in varied})]
    rows += [
        (group, {name: value for name, value in each.items() if name in varied})
        for group, each in zip(groups, differences, strict=True)
    ]
    rows.sort(key=lambda row: row[0][0].values(model)[0] or 0.0, reverse=True)
    none = "no other parameter" if shared else "no parameter"
    lines = [
        [
            _names(group),
            *("-" if value is None else f"{value:.4f}" for value in group[0].values(model)),
            group[0].settings(params) or none,
        ]
        for group, params in rows
    ]
    text = _aligned(lines, width)
    if not shared:
        return text
    footnote = f"all but {commit.name}: {groups[0][0].settings(shared)}"
    return text + "\n" + textwrap.fill(footnote, width)


def _aligned(lines: list[list[str]], width: int) -> str:
    """Return the lines as a table that is not wider than `width`."""
    name_width = min(max(len(line[0]) for line in lines), 30)
    metrics_width = sum(len(max(head.split("\n"), key=len)) + 2 for head in METRICS)
    return tabulate(
        lines,
        ["experiment", *METRICS, "what differs"],
        disable_numparse=True,
        colalign=["left", *["right"] * len(METRICS), "left"],
        maxcolwidths=[name_width, *[None] * len(METRICS), width - name_width - 2 - metrics_width],
    )


def _alike(model: str, experiments: list[Experiment]) -> list[list[Experiment]]:
    """Group the experiments that differ from the commit in a model: those alike together."""
    working_tree, commit, *others = experiments
    groups: list[tuple[object, list[Experiment]]] = [(("done", {}, commit.values(model)), [])]
    for each in [working_tree, *others]:
        key = (each.state, each.differences(commit, model), each.values(model))
        for known, group in groups:
            if key == known:
                group.append(each)
                break
        else:
            groups.append((key, [each]))
    return [group for _, group in groups[1:]]


def _names(group: list[Experiment]) -> str:
    """Return the names of experiments that are alike, and how far they are."""
    names = [each.name for each in group]
    if len(names) > 3:
        names = [names[0], f"{names[1]} and {len(names) - 2} others"]
    state = group[0].state
    return ", ".join(names) + ("" if state == "done" else f" ({state})")


def _experiment(revision: Mapping[str, Any], name: str, state: str) -> Experiment:
    """Return a revision of `dvc exp show --json` as an experiment."""
    data = revision["data"] or {}
    written = data.get("params", {}).get("params.yaml", {}).get("data", {})
    params = flatten(whole(written))
    own = set(flatten(written))
    inherited = {each for each in params if each not in own and each.partition(".")[0] in MODELS}
    files = {file: read.get("data", {}) for file, read in data.get("metrics", {}).items()}
    outs, deps = data.get("outs", {}), data.get("deps", {})
    for weights in [path for path in outs if path.startswith("data/models/")]:
        # Where training alone ran, the evaluation in git is still of the commit's weights.
        if outs[weights]["hash"] != deps.get(weights, {}).get("hash"):
            files.pop(f"metrics/evaluate/{Path(weights).stem}.json", None)
    return Experiment(name, state, params, files if state == "done" else {}, frozenset(inherited))


def _name(revision: Mapping[str, Any]) -> str:
    commit: str = revision["rev"]
    return revision["name"] or (commit if commit == "workspace" else commit[:7])
