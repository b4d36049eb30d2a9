"""Whether dvc.lock, code, params and committed metrics belong together, without the data."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import root
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import git, lockfile
from fashion_cnn.tools.revision import NoFileError, Revision


def check() -> None:
    """Print that this checkout's files belong to its dvc.lock.

    Raises:
        InputError: they do not; one line per reason, with the stages that it concerns.
    """
    params.load()
    if found := faults(root()):
        reasons = "\n".join(found)
        raise InputError(
            f"dvc.lock does not belong to this checkout, {len(found)} reason(s):\n{reasons}\n"
            "run `dvc repro`, then commit dvc.lock, metrics and plots with what changed them"
        )
    print("dvc.lock, dvc.yaml, params.yaml, code, metrics and plots belong together")


def faults(folder: Path) -> list[str]:
    """Return one line per fault that `stages_by_fault` finds, and raise what it raises."""
    return [f"{fault}: {', '.join(names)}" for fault, names in stages_by_fault(folder).items()]


def stages_by_fault(folder: Path) -> dict[str, list[str]]:
    """Return each file, parameter or command that differs from dvc.lock, and whose it is.

    Files in DVC's cache need not be here. Of these, only the hashes in dvc.lock are compared: the
    one that a stage wrote with the one that the next stage read.

    Raises:
        InputError: git or DVC cannot read the project.
    """
    git.check(folder)
    stages_of: dict[str, list[str]] = defaultdict(list)
    try:
        with Repo(str(folder)) as repo:
            stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
            locked = _locked(folder)
            outputs = {out.fs_path: out for stage in stages for out in stage.outs}
            for stage in stages:
                found = _faults(stage, outputs) if stage.name in locked else ["no entry"]
                for fault in found:
                    stages_of[fault].append(stage.name)
    except DvcException as error:
        raise InputError(f"DVC cannot read the project: {error}") from None
    if gone := locked - {stage.name for stage in stages}:
        stages_of["in dvc.lock, but not a stage of dvc.yaml"] = sorted(gone)
    return stages_of


def _locked(folder: Path) -> set[str]:
    with suppress(NoFileError), closing(Revision(folder)) as revision:
        return set(lockfile.read(revision).stages)
    return set()


def _faults(stage: PipelineStage, outputs: dict[str, Output]) -> Iterator[str]:
    if stage.cmd_changed:
        yield "cmd modified"
    for dependency in stage.deps:
        made = outputs.get(dependency.fs_path)
        if made is None:
            yield from _status(dependency)
        elif made.hash_info != dependency.hash_info:
            yield f"{_name(made)} is not the version that {made.stage.name} wrote"
    for out in stage.outs:
        if not out.hash_info:
            yield f"{_name(out)} new"
        elif not out.use_cache:
            yield from _status(out)


def _status(file: Output) -> Iterator[str]:
    """Yield what DVC finds changed in a file of the workspace, or in the params of a stage."""
    for state in file.workspace_status().values():
        if isinstance(file, ParamsDependency) and isinstance(state, dict):
            for key, change in state.items():
                found = _leaves(file, key) if change == "modified" else [f"{key} {change}"]
                yield from (f"{_name(file)}: {each}" for each in found)
        else:
            yield f"{_name(file)} {state}"


def _leaves(file: ParamsDependency, key: str) -> list[str]:
    """Return how each value below a key differs from the one in dvc.lock."""
    locked, read = file.hash_info.value, file.read_params()
    was, now = (flatten({key: values[key]}) for values in (locked, read))
    return [
        f"{name} {'new' if name not in was else 'deleted'}"
        if name not in was or name not in now
        else f"{name} modified from {was[name]!r} to {now[name]!r}"
        for name in {**was, **now}
        if name not in was or name not in now or was[name] != now[name]
    ] or [f"{key} modified"]


def _name(file: Output) -> str:
    return Path(file.fs_path).relative_to(file.repo.root_dir).as_posix()
