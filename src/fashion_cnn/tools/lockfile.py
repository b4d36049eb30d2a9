"""dvc.lock: which files each stage read and wrote when it last ran."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from fashion_cnn.tools.revision import Revision


class LockedFile(NamedTuple):
    """A file or folder that a stage read or wrote, with its MD5 and its size in bytes."""

    stage: str
    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class Lockfile:
    """The stages that have run, and the files that each read and wrote."""

    stages: tuple[str, ...] = ()
    inputs: tuple[LockedFile, ...] = ()
    outputs: tuple[LockedFile, ...] = ()

    def written(self) -> dict[str, list[LockedFile]]:
        """Return the outputs by their paths, and by the folders that they are in."""
        found: dict[str, list[LockedFile]] = defaultdict(list)
        for file in self.outputs:
            found[file.path].append(file)
            found[file.path.rpartition("/")[0]].append(file)
        return found

    def md5(self, path: str, stage: str = "") -> str:
        """Return the MD5 with which a stage, by default any, wrote or read a file; else ""."""
        files = (*self.outputs, *self.inputs)
        wanted = {stage} if stage else self.stages
        return next((file.md5 for file in files if file.path == path and file.stage in wanted), "")


def read(revision: Revision, known: Container[str] | None = None) -> Lockfile:
    """Return a revision's dvc.lock, or of it the `known` stages; else raise MissingError."""
    content = revision.yaml("dvc.lock")
    with revision.parsing("dvc.lock"):
        stages = (content or {}).get("stages") or {}
        names = tuple(name for name in stages if known is None or name_in_dvc_yaml(name) in known)
        inputs, outputs = (
            tuple(
                LockedFile(name, file["path"], file.get("md5", ""), file.get("size", 0))
                for name in names
                for file in stages[name].get(kind, ())
            )
            for kind in ("deps", "outs")
        )
    return Lockfile(names, inputs, outputs)


def stale(lock: Lockfile, changed: Collection[str] = ()) -> dict[str, str]:
    """Return what was written from another version of a stage's output, with the stage to run.

    So it is after `dvc repro evaluate@lenet`: what compares LeNet with the others is of the run
    before, as is whatever was made of that.

    So are the outputs of `changed` stages, whose code, params or data have changed since.
    """
    written = lock.written()
    late = set(changed)
    while True:
        found = {*changed} | {
            file.stage
            for file in lock.inputs
            if (made := written.get(file.path))
            and (_md5(file.path, made) != file.md5 or any(each.stage in late for each in made))
        }
        if found == late:
            return {file.path: file.stage for file in lock.outputs if file.stage in late}
        late = found


def _md5(path: str, made: Sequence[LockedFile]) -> str:
    """Return the MD5 that DVC gives to an output, or to a folder of these outputs."""
    if made[0].path == path:
        return made[0].md5
    files = [{"md5": each.md5, "relpath": each.path.removeprefix(f"{path}/")} for each in made]
    listed = json.dumps(sorted(files, key=itemgetter("relpath")), sort_keys=True)
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"


def name_in_dvc_yaml(stage: str) -> str:
    """Return the name without the item of a matrix: `evaluate` of `evaluate@lenet`."""
    return stage.partition("@")[0]
