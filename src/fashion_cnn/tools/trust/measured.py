"""What the gate judges: the numbers and the answers of each model at one revision."""

from collections.abc import Mapping
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


@dataclass(frozen=True)
class Measured:
    """What a run measured of one model; empty where the revision lacks the file.

    numbers: by name, such as `accuracy`, or `recall of Shirt`. answers: one row per test image,
    with the columns actual and predicted. data: MD5 of the data set that the model was evaluated
    on. downloaded: MD5 of the one that the run downloaded.
    """

    numbers: Mapping[str, Any]
    answers: pd.DataFrame
    data: str
    downloaded: str


def read(folder: Path, name: str) -> dict[str, Measured]:
    """Return what a revision measured, by model; all of it is in git, so no cache is needed.

    Raises:
        InputError: git knows no such revision, or a file of it cannot be read.
    """
    with closing(Revision(folder, name)) as revision:
        lock = Lockfile()
        with suppress(NoFileError):
            lock = lockfile.read(revision)
        return {model: _measured(revision, model, lock) for model in MODELS}


def _measured(revision: Revision, model: str, lock: Lockfile) -> Measured:
    numbers, answers = revision.numbers(model), pd.DataFrame()
    with suppress(NoFileError):
        classes = revision.csv(f"plots/classes/{model}.csv", ["class", "recall", "f1"])
        for column in ("recall", "f1"):
            numbers |= {f"{column} of {row['class']}": row[column] for _, row in classes.iterrows()}
    with suppress(NoFileError):
        answers = revision.csv(f"plots/confusion/{model}.csv", ["actual", "predicted"])
    data, downloaded = lock.md5(DATA, f"evaluate@{model}"), lock.md5(DATA, "download")
    return Measured(numbers, answers, str(data), str(downloaded))
