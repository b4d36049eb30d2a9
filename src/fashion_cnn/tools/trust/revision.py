"""What a run measured, as the working tree or a git revision holds it."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS


@dataclass(frozen=True)
class Measured:
    """What a run measured of one model; empty where it holds nothing.

    metrics: metrics/evaluate/MODEL.json. classes: plots/classes/MODEL.csv, by class and column.
    confusion: plots/confusion/MODEL.csv, actual and predicted, a row an image. data: hash of the
    data that the model was evaluated on; fetched: of the data that the run fetched.
    """

    metrics: Mapping[str, object]
    classes: Mapping[str, Mapping[str, object]]
    confusion: pd.DataFrame
    data: str
    fetched: str


Revision = Mapping[str, Measured]
"""What a run measured, by model."""


def read(folder: Path, revision: str | None = None) -> Revision:
    """Return what the run of the working tree, or of a git revision, measured.

    All of it lies in git, so that neither the data nor DVC's cache need be here.

    Raises:
        InputError: git does not know the revision, or a file of it cannot be read.
    """
    try:
        with Repo(str(folder), rev=revision) as repo:
            locked = _locked(_text(repo, "dvc.lock"))
            return {model: _measured(repo, model, locked) for model in MODELS}
    except (DvcException, SCMError, YAMLError, ValueError) as error:
        raise InputError(f"{revision or 'the working tree'} cannot be read: {error}") from None


def _measured(repo: Repo, model: str, locked: Mapping[str, str]) -> Measured:
    metrics = json.loads(_text(repo, f"metrics/evaluate/{model}.json") or "{}")
    classes = _table(repo, f"plots/classes/{model}.csv")
    by_class = classes.set_index("class").to_dict("index") if "class" in classes else {}
    return Measured(
        metrics,
        {
            str(name): {str(key): value for key, value in row.items()}
            for name, row in by_class.items()
        },
        _table(repo, f"plots/confusion/{model}.csv"),
        locked.get(f"evaluate@{model}", ""),
        locked.get("download", ""),
    )


def _locked(text: str) -> dict[str, str]:
    """Return, by stage, the hash of the data set that dvc.lock says it read or wrote."""
    stages: dict[str, Any] = (YAML(typ="safe").load(text) or {}).get("stages", {})
    return {
        name: file["md5"]
        for name, stage in stages.items()
        for file in (*stage.get("deps", ()), *stage.get("outs", ()))
        if file["path"] == "data/fashion_mnist"
    }


def _table(repo: Repo, path: str) -> pd.DataFrame:
    text = _text(repo, path)
    return pd.read_csv(io.StringIO(text)) if text else pd.DataFrame()


def _text(repo: Repo, path: str) -> str:
    """Return a file's text; none where the revision has no such file."""
    try:
        text: str = repo.dvcfs.read_text(path, encoding="utf-8")
    except FileNotFoundError:
        return ""
    return text
