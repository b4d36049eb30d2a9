"""The pipeline of a revision, from dvc.yaml and dvc.lock."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx

from fashion_cnn.tools.report.revision import MissingError, Revision


@dataclass(frozen=True)
class Stage:
    """A stage as it was run; of a matrix, all its stages under one name."""

    name: str
    description: str
    items: tuple[str, ...]
    runs: tuple[dict[str, Any], ...]  # cmd, deps, params and outs, as dvc.lock has them

    @property
    def inputs(self) -> list[str]:
        """Paths of the dependencies."""
        return [dep["path"] for run in self.runs for dep in run.get("deps", [])]

    @property
    def outputs(self) -> list[str]:
        """Paths of the outputs."""
        return [out["path"] for run in self.runs for out in run.get("outs", [])]


@dataclass(frozen=True)
class Pipeline:
    """Stages, level by level from the first, and which feed which."""

    levels: list[list[Stage]]
    edges: list[tuple[str, str]]
    locked: dict[str, dict[str, Any]]
    not_run: tuple[str, ...]

    def hash_of(self, path: str) -> str | None:
        """Return the MD5 that dvc.lock has of an output or dependency."""
        for run in self.locked.values():
            for entry in (*run.get("outs", []), *run.get("deps", [])):
                if entry["path"] == path:
                    return str(entry.get("md5", ""))
        return None


@cache
def read(revision: Revision) -> Pipeline:
    """Return the pipeline of a revision, or raise MissingError."""
    locked = (revision.yaml("dvc.lock") or {}).get("stages") or {}
    if not locked:
        raise MissingError(f"dvc.lock of {revision.title} has no stage: dvc repro")
    try:
        written = (revision.yaml("dvc.yaml") or {}).get("stages") or {}
    except MissingError:
        written = {}
    if written:  # dvc.lock may still name stages that are gone
        locked = {full: run for full, run in locked.items() if full.partition("@")[0] in written}
    names = list(dict.fromkeys(full.partition("@")[0] for full in locked))
    stages = [
        Stage(
            name=name,
            description=(written.get(name) or {}).get("desc", ""),
            items=tuple(full.partition("@")[2] for full in locked if full.startswith(f"{name}@")),
            runs=tuple(run for full, run in locked.items() if full.partition("@")[0] == name),
        )
        for name in names
    ]
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(stage.name for stage in stages)
    graph.add_edges_from(
        (first.name, second.name)
        for first in stages
        for second in stages
        if first is not second and _feeds(first.outputs, second.inputs)
    )
    # An edge that a longer way implies would only cross the drawing.
    graph = nx.transitive_reduction(graph)
    of = {stage.name: stage for stage in stages}
    order = list(of)
    levels = [
        [of[name] for name in sorted(level, key=order.index)]
        for level in nx.topological_generations(graph)
    ]
    not_run = tuple(name for name in written if name not in names)
    return Pipeline(levels, sorted(graph.edges), locked, not_run)


def _feeds(outputs: list[str], inputs: list[str]) -> bool:
    """Tell whether an input is, lies in or holds an output."""
    return any(
        out == path or path.startswith(f"{out}/") or out.startswith(f"{path}/")
        for out in outputs
        for path in inputs
    )
