"""What one revision of the project holds: its files, from git, the workspace or DVC's cache."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import NoSCM, RevError, resolve_rev
from dvc_data.index import DataIndexError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashion_cnn.base.errors import InputError

WORKSPACE = "workspace"


class MissingError(Exception):
    """Why a file of a revision cannot be shown, as a note for the reader."""


class Revision:
    """The workspace, or a revision that git or DVC knows: a commit, branch, tag or experiment."""

    def __init__(self, root: Path, name: str = WORKSPACE) -> None:
        """Find the revision.

        Raises:
            InputError: `root` is in no git repository, or the repository has no such revision.
        """
        git = Repo(str(root), uninitialized=True).scm
        if isinstance(git, NoSCM):
            raise InputError(
                f"{root} is in no git repository: a report is of revisions that git knows"
            )
        wanted = "HEAD" if name == WORKSPACE else name
        try:
            self.commit = resolve_rev(git, wanted)
        except RevError:
            raise InputError(
                f"git knows no revision '{wanted}': see `git log --oneline` and `dvc exp list`"
            ) from None
        self.name = name
        self.root = root
        self.is_workspace = name == WORKSPACE
        self.edited = self.is_workspace and bool(git.is_dirty(untracked_files=False))
        message = git.resolve_commit(self.commit).message
        self.subject = (message.splitlines() or [""])[0]
        git.close()
        self._files = DVCFileSystem(str(root), rev=None if self.is_workspace else self.commit)

    def close(self) -> None:
        """Close the repository's files."""
        self._files.close()

    @property
    def short(self) -> str:
        """The commit in seven digits."""
        return self.commit[:7]

    @property
    def title(self) -> str:
        """The revision in words."""
        if self.is_workspace:
            return f"the workspace at {self.short}" + (", with edits" if self.edited else "")
        return self.short if self.commit.startswith(self.name) else f"{self.name} ({self.short})"

    def same_as(self, other: "Revision") -> bool:
        """Tell whether both are the same committed files."""
        return self.commit == other.commit and not self.edited and not other.edited

    def read(self, path: str) -> bytes:
        """Return a file's content, or raise MissingError."""
        with self._telling(path):
            if self.is_workspace and (self.root / path).is_file():
                return (self.root / path).read_bytes()
            content: bytes = self._files.read_bytes(path)
            return content

    def pictures(self, folder: str) -> list[str]:
        """Return the PNGs in a folder, at any depth, or raise MissingError where there is none."""
        with self._telling(folder):
            # What lies there now, not what dvc.lock still says of it.
            if self.is_workspace and (self.root / folder).is_dir():
                paths = [
                    path.relative_to(self.root).as_posix()
                    for path in (self.root / folder).rglob("*")
                ]
            else:
                paths = self._files.find(folder)
        found = sorted(path for path in paths if path.endswith(".png"))
        if not found:
            raise MissingError(f"{folder} is not in {self.title}")
        return found

    def json(self, path: str) -> Any:
        """Return what a JSON file holds, or raise MissingError."""
        content = self.read(path)
        with _readable(path):
            return json.loads(content)

    def yaml(self, path: str) -> Any:
        """Return what a YAML file holds, as DVC reads it, or raise MissingError."""
        content = self.read(path)
        with _readable(path):
            return YAML(typ="safe").load(content)

    def csv(self, path: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return a CSV file's table, or raise MissingError, also where a column is lacking."""
        content = self.read(path)
        with _readable(path):
            table = pd.read_csv(io.BytesIO(content))
        if absent := [name for name in columns if name not in table.columns]:
            raise MissingError(f"{path} of {self.title} has no column {', '.join(absent)}")
        return table

    def metrics(self, path: str) -> dict[str, Any]:
        """Return the values of a JSON file, none where it is missing."""
        try:
            values = self.json(path)
        except MissingError:
            return {}
        return values if isinstance(values, dict) else {}

    @contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        try:
            yield
        except (OSError, DvcException, DataIndexError):
            if self._tracked(path):
                raise MissingError(
                    f"{path} of {self.title} is not in the cache: dvc pull, or dvc repro"
                ) from None
            raise MissingError(f"{path} is not in {self.title}") from None

    def _tracked(self, path: str) -> bool:
        try:
            return bool(self._files.isdvc(path))
        except DataIndexError:  # in a folder whose list of files is not in the cache
            return True
        except (OSError, DvcException):
            return False


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, YAMLError):  # JSON's, pandas' and Unicode's errors are ValueErrors
        raise MissingError(f"{path} cannot be read") from None
