"""Experiments side by side: what differs between them, and how well each one does."""

import textwrap
from collections import Counter

from tabulate import tabulate

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.experiments.collecting import (
    METRICS,
    Experiment,
    baselines,
    collect,
    newest_first,
    on_branch,
)
from fashion_cnn.tools.experiments.running import git


def report(model: str | None, every_branch: bool) -> str:
    """Return tables of the experiments, a part for each commit that they stand on, the last first.

    Of all networks unless `model` is given; with `every_branch`, also those of other branches.
    """
    models = [model] if model else list(MODELS)
    head = git("rev-parse", "HEAD").strip()
    standing = Counter(baselines())
    shown = [commit for commit in standing if every_branch or on_branch(commit)]
    parts = []
    for experiments in collect(
        [head, *(commit for commit in newest_first(shown) if commit != head)]
    ):
        if tables := [text for each in models if (text := table(each, experiments))]:
            commit = git("log", "-1", "--format=%h %s", experiments[1].revision).strip()
            parts.append("\n\n".join([f"on {commit}", *tables]))
    if not parts:
        parts.append("no experiment differs from the commit that it stands on")
    if hidden := sum(standing.values()) - sum(standing[commit] for commit in shown):
        parts.append(f"{hidden} more on commits of other branches: `make compare ALL=1` shows them")
    return "\n\n".join(parts)


def table(model: str, experiments: list[Experiment], width: int = 100) -> str | None:
    """Return a model's experiments, best first, beside the commit that they stand on.

    Args:
        model: a module of fashion_cnn.models.
        experiments: the working tree (or the commit, where it is not the last), the commit, and
            the experiments that stand on it.
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
            _names(group, model),
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
    groups: list[tuple[object, list[Experiment]]] = [
        ((commit.status(model), {}, commit.values(model)), [])
    ]
    for each in [working_tree, *others]:
        key = (each.status(model), each.differences(commit, model), each.values(model))
        for known, group in groups:
            if key == known:
                group.append(each)
                break
        else:
            groups.append((key, [each]))
    return [group for _, group in groups[1:]]


def _names(group: list[Experiment], model: str) -> str:
    """Return the names of experiments that are alike, and how far they are."""
    names = [each.name for each in group]
    if len(names) > 3:
        names = [names[0], f"{names[1]} and {len(names) - 2} others"]
    state = group[0].status(model)
    return ", ".join(names) + ("" if state == "done" else f" ({state})")
