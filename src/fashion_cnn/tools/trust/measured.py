"""What the gate judges: the numbers and the answers of each model at one revision."""

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools import lockfile
from fashion_cnn.tools.lockfile import Lockfile
from fashion_cnn.tools.revision import NoFileError, Revision

DATA = "data/fashion_mnist"
RULES = Path("config") / "gate.yaml"


@dataclass(frozen=True)
class Measured:
    """What a run measured; whatever the revision lacks is missing here.

    title: the revision in words. values: what JSON files hold, by path. classes: by model, a row
    per class with the columns class, recall and f1. answers: by model, a row per test image with
    the columns actual and predicted. data: by model, MD5 of the data set that it was evaluated on.
    downloaded: MD5 of the one that the run downloaded. lock, rules: what dvc.lock and gate.yaml
    hold.
    """

    title: str
    values: Mapping[str, Any]
    classes: Mapping[str, pd.DataFrame]
    answers: Mapping[str, pd.DataFrame]
    data: Mapping[str, str]
    downloaded: str
    lock: object = None
    rules: object = None

    def is_new(self, model: str) -> bool:
        """Return whether this is a run, but without a network of this name."""
        return bool(self.downloaded) and not (self.data[model] or model in self.answers)

    def number(self, path: str, key: str) -> Any:
        """Return what stands at a dotted key of a JSON file; None where nothing does."""
        return _at(self.values.get(path), key.split("."))

    def has_rule(self, path: str, key: str) -> bool:
        """Return whether the revision's own gate.yaml has a rule for a number."""
        return _at(self.rules, ["metrics", path, key]) is not None


def read(folder: Path, name: str, paths: Iterable[str]) -> Measured:
    """Return what a revision measured, of JSON files those at `paths`; all of it is in git.

    Raises:
        InputError: git knows no such revision, or a file of it cannot be read.
    """
    with closing(Revision(folder, name)) as revision:
        lock, locked, rules = Lockfile(), None, None
        with suppress(NoFileError):
            lock, locked = lockfile.read(revision), revision.yaml("dvc.lock")
        with suppress(NoFileError):
            rules = revision.yaml(RULES.as_posix())
        values: dict[str, Any] = {}
        for path in paths:
            with suppress(NoFileError):
                values[path] = revision.json(path)
        classes = _tables(revision, "classes", ["class", "recall", "f1"])
        answers = _tables(revision, "confusion", ["actual", "predicted"])
        data = {model: lock.md5(DATA, f"evaluate@{model}") for model in MODELS}
        downloaded = lock.md5(DATA, "download")
        return Measured(revision.title, values, classes, answers, data, downloaded, locked, rules)


def _tables(revision: Revision, kind: str, columns: list[str]) -> dict[str, pd.DataFrame]:
    found: dict[str, pd.DataFrame] = {}
    for model in MODELS:
        with suppress(NoFileError):
            found[model] = revision.csv(f"plots/{kind}/{model}.csv", columns)
    return found


def _at(value: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Mapping):
            value = value.get(key)
        else:
            return None
    return value
