"""One revision of the project: its files, from git, the workspace or DVC's cache."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev
from dvc_data.index import DataIndexError

from fashion_cnn.base import yaml_text
from fashion_cnn.base.errors import InputError
from fashion_cnn.tools import git

WORKSPACE = "workspace"
# Columns of tables that hold the names of classes.
NAMES = ("class", "label", "actual", "predicted")
MEASURED = ("metrics/train", "metrics/evaluate", "plots/reliability")
"""Folders with one JSON file per model, which together hold what a run measured of it."""


class MissingError(InputError):
    """A file of a revision cannot be shown; the message is a note for the reader."""


class NoFileError(MissingError):
    """The revision has no such file, or the file is not on this machine."""


class StaleError(NoFileError):
    """The file is of an earlier run than what it was made from."""


class Revision:
    """The workspace, or a revision that git or DVC knows: a commit, branch, tag or experiment."""

    def __init__(self, root: Path, name: str = WORKSPACE) -> None:
        """Find the revision.

        Raises:
            InputError: git does not read `root`, or the repository has no such revision.
        """
        git.check(root)
        history = Repo(str(root), uninitialized=True).scm
        wanted = "HEAD" if name == WORKSPACE else name
        try:
            # Git itself takes an empty name for HEAD.
            self.commit = resolve_rev(history, wanted or "-")
            message = history.resolve_commit(self.commit).message
        # ValueError and AttributeError: the name is that of a file or a folder, or none at all.
        except (RevError, ValueError, AttributeError):
            raise InputError(
                f"git knows no revision {wanted!r:.100}: see `git log --oneline` and `dvc exp list`"
            ) from None
        self.name = name
        self.root = root
        self.is_workspace = name == WORKSPACE
        self.edited = self.is_workspace and git.edited(root)
        self.subject = (message.splitlines() or [""])[0]
        history.close()
        self.withheld: Mapping[str, str] = {}
        """What `read` and `pictures` refuse as stale, with the stage that makes it anew."""
        self._files = DVCFileSystem(str(root), rev=None if self.is_workspace else self.commit)

    def close(self) -> None:
        """Close the repository's files."""
        self._files.close()

    @property
    def title(self) -> str:
        """The revision in words."""
        short = self.commit[:7]
        if self.is_workspace:
            return f"the workspace at {short}" + (", with edits" if self.edited else "")
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"

    def same_as(self, other: "Revision") -> bool:
        """Return whether both are the same committed files."""
        return self.commit == other.commit and not self.edited and not other.edited

    def read(self, path: str) -> bytes:
        """Return a file's content, or raise NoFileError."""
        self._check(path)
        with self._finding(path):
            if self.is_workspace and (self.root / path).is_file():
                return (self.root / path).read_bytes()
            content: bytes = self._files.read_bytes(path)
            return content

    def pictures(self, folder: str) -> list[str]:
        """Return the PNGs in a folder, at any depth, or raise NoFileError where there is none."""
        self._check(folder)
        here = self.root / folder
        with self._finding(folder):
            # In the workspace, what the folder holds now, whatever dvc.lock still says.
            if self.is_workspace and here.is_dir():
                paths = [path.relative_to(self.root).as_posix() for path in here.rglob("*")]
            else:
                paths = self._files.find(folder)
        found = sorted(path for path in paths if path.endswith(".png"))
        if not found:
            raise NoFileError(f"{folder} is not in {self.title}")
        return found

    def json(self, path: str) -> Any:
        """Return what a JSON file holds, or raise MissingError."""
        content = self.read(path)
        with self.parsing(path):
            return json.loads(content)

    def yaml(self, path: str) -> Any:
        """Return what a YAML file holds, as DVC reads it, or raise MissingError."""
        content = self.read(path)
        with self.parsing(path):
            return yaml_text.load(content.decode())

    def csv(self, path: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return a CSV file's table, or raise MissingError, also where it lacks a column."""
        content = self.read(path)
        with self.parsing(path):
            # A class may have a name such as 7 or None.
            table = pd.read_csv(io.BytesIO(content), converters=dict.fromkeys(NAMES, str))
        if absent := [name for name in columns if name not in table.columns]:
            raise MissingError(f"{path} of {self.title} has no column {', '.join(absent)}")
        return table

    def layers(self, model: str) -> list[dict[str, Any]]:
        """Return the rows of a network's layers, or raise MissingError."""
        path = f"plots/shapes/{model}.json"
        content = self.json(path)
        with self.parsing(path):
            return [
                {key: row[key] for key in ("name", "kind", "receptive_field")} for row in content
            ]

    def numbers(self, model: str, folders: Sequence[str] = MEASURED) -> dict[str, Any]:
        """Return a model's numbers from a file of each folder, flat, without those it lacks.

        Raises:
            MissingError: a file is there but cannot be read.
        """
        found: dict[str, Any] = {}
        for folder in folders:
            with suppress(NoFileError):
                found |= self.numbers_in(f"{folder}/{model}.json", model)
        return found

    def numbers_in(self, path: str, model: str) -> dict[str, Any]:
        """Return a model's numbers in a JSON file, with its first `details`, or raise MissingError.

        Files of old revisions have no key of the model's name: their numbers stand at the top.
        """
        values = self.json(path)
        with self.parsing(path):
            if model not in values:
                return dict(values)
            return {**values[model], **(values.get("details") or [{}])[0]}

    @contextmanager
    def parsing(self, path: str) -> Iterator[None]:
        """Raise MissingError where the block finds that a file does not hold what it should."""
        try:
            yield
        except json.JSONDecodeError as error:
            raise MissingError(
                f"{path} of {self.title} cannot be read: line {error.lineno} is not JSON"
            ) from None
        # The errors of YAML, pandas and Unicode are ValueErrors.
        except (ValueError, TypeError, LookupError, AttributeError):
            raise MissingError(f"{path} of {self.title} cannot be read") from None

    def _check(self, path: str) -> None:
        for stale, stage in self.withheld.items():
            if path == stale or path.startswith(f"{stale}/"):
                raise StaleError(f"{path} of {self.title} is of an earlier run: dvc repro {stage}")

    @contextmanager
    def _finding(self, path: str) -> Iterator[None]:
        try:
            yield
        except (OSError, DvcException, DataIndexError):
            if self._tracked(path):
                raise NoFileError(
                    f"{path} of {self.title} is not in the cache: dvc pull, or dvc repro"
                ) from None
            raise NoFileError(f"{path} is not in {self.title}") from None

    def _tracked(self, path: str) -> bool:
        try:
            return bool(self._files.isdvc(path))
        except DataIndexError:  # in a folder whose list of files is not in the cache
            return True
        except (OSError, DvcException):
            return False
