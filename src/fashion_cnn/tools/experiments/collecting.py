"""What DVC knows of experiments: their parameters, their metrics, the commits they stand on."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.params import whole
from fashion_cnn.base.paths import root
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import lockfile
from fashion_cnn.tools.experiments.running import as_yaml, dvc, git
from fashion_cnn.tools.revision import NoFileError, Revision
from fashion_cnn.tools.trust import lock

# The metrics to compare, by column head: the stage that measures it, and its name.
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
        revision: its commit, if it has one.
        stale: metrics files that were measured before code, params or data changed.
    """

    name: str
    state: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    inherited: frozenset[str] = frozenset()
    revision: str = ""
    stale: frozenset[str] = frozenset()

    def differences(self, other: "Experiment", model: str) -> dict[str, Any]:
        """Return the parameters that concern a model and are not as in `other`, by name."""
        sections = (f"{model}.", "dataset.", "evaluate.")
        return {
            name: value
            for name, value in self.params.items()
            if name.startswith(sections) and value != other.params.get(name, value)
        }

    def values(self, model: str) -> list[float | None]:
        """Return METRICS of a model; None for what was not measured on what stands there."""
        return [
            None if path in self.stale else self.metrics.get(path, {}).get(model, {}).get(name)
            for path, name in _places(model)
        ]

    def status(self, model: str) -> str:
        """Return the state, or that what a model was measured on has changed since."""
        changed = any(path in self.stale for path, _ in _places(model))
        return "not run yet" if changed else self.state

    def settings(self, params: Mapping[str, Any]) -> str:
        """Return parameters by the names under which they stand in params.yaml."""
        return ", ".join(f"{self._written(name)}={as_yaml(v)}" for name, v in params.items())

    def _written(self, name: str) -> str:
        return f"training.{name.partition('.')[2]}" if name in self.inherited else name


def collect(commits: Sequence[str]) -> list[list[Experiment]]:
    """Return what stands on each commit, the last commit first, in the form that `table` takes."""
    revisions = [part for commit in commits for part in ("--rev", commit)]
    working_tree, *shown = json.loads(dvc("exp", "show", "--json", *revisions))
    groups: list[list[Experiment]] = []
    for baseline in shown:
        commit = _experiment(baseline, _name(baseline), "done")
        experiments = [commit, commit]
        if not groups:
            workspace = _experiment(working_tree, "workspace", "done")
            stale, edited = _outdated()
            changed = replace(commit, stale=stale)
            experiments = [replace(workspace, stale=stale), commit if edited else changed]
        for each in baseline["experiments"] or []:
            state = (each["executor"] or {}).get("state", "success")
            tip = each["revs"][0]
            name = each["name"] or _name(tip)
            experiments.append(_experiment(tip, name, "done" if state == "success" else state))
        groups.append(experiments)
    return groups


def _outdated() -> tuple[frozenset[str], bool]:
    """Return what the working tree's stages wrote before code, params or data changed.

    Also return whether anything is edited since the last commit; if not, it is as outdated.
    """
    with closing(Revision(root())) as revision, suppress(NoFileError):
        changed = {stage for stages in lock.stages_by_fault(root()).values() for stage in stages}
        return frozenset(lockfile.stale(lockfile.read(revision), changed)), revision.edited
    return frozenset(), True


def _places(model: str) -> list[tuple[str, str]]:
    """Return the file and the name of each of METRICS."""
    return [(f"metrics/{stage}/{model}.json", name) for stage, name in METRICS.values()]


def _experiment(revision: Mapping[str, Any], name: str, state: str) -> Experiment:
    """Return a revision of `dvc exp show --json` as an experiment."""
    data = revision["data"] or {}
    written = data.get("params", {}).get("params.yaml", {}).get("data", {})
    params = flatten(whole(written))
    own = set(flatten(written))
    inherited = {each for each in params if each not in own and each.partition(".")[0] in MODELS}
    files = {file: read.get("data", {}) for file, read in data.get("metrics", {}).items()}
    metrics = files if state == "done" else {}
    return Experiment(name, state, params, metrics, frozenset(inherited), revision["rev"])


def _name(revision: Mapping[str, Any]) -> str:
    commit: str = revision["rev"]
    return revision["name"] or (commit if commit == "workspace" else commit[:7])


def baselines() -> list[str]:
    """Return, for each experiment that DVC keeps, the commit that it stands on."""
    # Git's references to them are refs/exps/12/34567.../name.
    names = git("for-each-ref", "--format=%(refname)", "refs/exps/??/*/*").split()
    return ["".join(name.split("/")[2:4]) for name in names]


def on_branch(commit: str) -> bool:
    """Whether a commit is the current one or one before it on its branch."""
    return not git("rev-list", "--max-count=1", commit, "^HEAD")


def newest_first(commits: Sequence[str]) -> list[str]:
    """Return commits in order of date, the newest first."""
    return git("rev-list", "--no-walk", "--date-order", *commits).split() if commits else []
