"""The pipeline of a revision, from dvc.yaml and dvc.lock."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx

from fashion_cnn.tools import lockfile
from fashion_cnn.tools.lockfile import Lockfile, name_in_dvc_yaml
from fashion_cnn.tools.revision import MissingError, Revision


@dataclass(frozen=True)
class Stage:
    """A stage as it was run, with the paths it read and wrote; of a matrix, all stages as one."""

    name: str
    description: str
    items: tuple[str, ...]
    inputs: list[str]
    outputs: list[str]


@dataclass(frozen=True)
class Pipeline:
    """Stages, level by level from the first, and which feed which."""

    levels: list[list[Stage]]
    edges: list[tuple[str, str]]
    lock: Lockfile
    not_run: tuple[str, ...]


@cache
def read(revision: Revision) -> Pipeline:
    """Return the pipeline of a revision, or raise MissingError."""
    try:
        written = (revision.yaml("dvc.yaml") or {}).get("stages") or {}
    except MissingError:
        written = {}
    # dvc.lock may still name stages that dvc.yaml no longer has.
    lock = lockfile.read(revision, written or None)
    if not lock.stages:
        raise MissingError(f"dvc.lock of {revision.title} has no stage: dvc repro")
    names = list(dict.fromkeys(map(name_in_dvc_yaml, lock.stages)))
    stages = {name: _stage(name, _description(written.get(name)), lock) for name in names}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(stages)
    graph.add_edges_from(
        (first, second)
        for first in stages
        for second in stages
        if first != second and _feeds(stages[first].outputs, stages[second].inputs)
    )
    # An edge beside a longer way between the same stages would only clutter the drawing.
    graph = nx.transitive_reduction(graph)
    levels = [
        [stages[name] for name in sorted(level, key=names.index)]
        for level in nx.topological_generations(graph)
    ]
    not_run = tuple(name for name in written if name not in names)
    return Pipeline(levels, sorted(graph.edges), lock, not_run)


def _description(stage: Any) -> str:
    """Return what a stage does; one that dvc.yaml makes of a list says so under `do`."""
    stage = stage or {}
    return str(stage.get("do", stage).get("desc", ""))


def _stage(name: str, description: str, lock: Lockfile) -> Stage:
    inputs, outputs = (
        [file.path for file in files if name_in_dvc_yaml(file.stage) == name]
        for files in (lock.inputs, lock.outputs)
    )
    items = (stage.partition("@")[2] for stage in lock.stages if stage.startswith(f"{name}@"))
    return Stage(name, description, tuple(items), inputs, outputs)


def _feeds(outputs: list[str], inputs: list[str]) -> bool:
    """Return whether an input is an output, lies inside one, or holds one."""
    return any(
        out == path or path.startswith(f"{out}/") or out.startswith(f"{path}/")
        for out in outputs
        for path in inputs
    )
