"""Whether dvc.lock, code, params and committed metrics belong together, told without the data."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import root


def check() -> None:
    """Print that this checkout's files belong to its dvc.lock.

    Raises:
        InputError: they do not; with a line for every reason and the stages that it concerns.
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
    """Return a line for each file, parameter or command that is not what dvc.lock recorded.

    What lies in DVC's cache need not be here: of it, only the hashes in dvc.lock are compared,
    the one that a stage wrote with the one that the next stage read.

    Raises:
        InputError: DVC cannot read the project.
    """
    stages_of: dict[str, list[str]] = defaultdict(list)
    try:
        with Repo(str(folder)) as repo:
            stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
            locked = {
                name
                for stage in stages
                for name in stage.dvcfile.lockfile_contents.get("stages", {})
            }
            outputs = {out.fs_path: out for stage in stages for out in stage.outs}
            for stage in stages:
                here = _stage_faults(stage, outputs) if stage.name in locked else ["no entry"]
                for fault in here:
                    stages_of[fault].append(stage.name)
            for name in locked - {stage.name for stage in stages}:
                stages_of["an entry of no stage in dvc.yaml"].append(name)
    except DvcException as error:
        raise InputError(f"DVC cannot read the project: {error}") from None
    return [f"{fault}: {', '.join(names)}" for fault, names in stages_of.items()]


def _stage_faults(stage: PipelineStage, outputs: dict[str, Output]) -> Iterator[str]:
    if stage.cmd_changed:
        yield "cmd modified"
    for dependency in stage.deps:
        made = outputs.get(dependency.fs_path)
        if made is None:
            yield from _status(dependency)
        elif made.hash_info != dependency.hash_info:
            yield f"{_name(made)} read in another version than {made.stage.name} wrote"
    for out in stage.outs:
        if not out.hash_info:
            yield f"{_name(out)} new"
        elif not out.use_cache:
            yield from _status(out)


def _status(file: Output) -> Iterator[str]:
    """Yield what DVC finds different about a file in git or about the params of a stage."""
    for state in file.workspace_status().values():
        if isinstance(file, ParamsDependency) and isinstance(state, dict):
            yield from (f"{_name(file)}: {key} {change}" for key, change in state.items())
        else:
            yield f"{_name(file)} {state}"


def _name(file: Output) -> str:
    return Path(file.fs_path).relative_to(file.repo.root_dir).as_posix()
