"""A trained network's predictions for picture files, as lines to print."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.prediction.pictures import Background
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

Skip = Callable[[Path, InputError], None]


@dataclass(frozen=True)
class Prediction:
    """A file, and each class with its probability in [0, 1], the most likely first."""

    file: Path
    ranked: list[tuple[str, float]]
    classes: tuple[str, ...]

    def row(self) -> tuple[str, str, float, str, float]:
        """Return file, class, its probability, runner-up and its probability."""
        # A file name that cannot be decoded must not stop the printing.
        name = os.fsencode(self.file).decode(errors="backslashreplace")
        return (name, *self.ranked[0], *self.ranked[1])

    def json(self) -> str:
        """Return the prediction as one line of JSON, probabilities to 6 decimals."""
        keys = ("file", "class", "probability", "runner_up", "runner_up_probability")
        values = dict(zip(keys, self.row(), strict=True))
        by_class = sorted(self.ranked, key=lambda pair: self.classes.index(pair[0]))
        return json.dumps({**values, "probabilities": dict(by_class)})


def predictions(
    trained: Trained,
    files: Iterable[Path],
    *,
    background: Background,
    compute: Compute,
    batch_size: int,
    skip: Skip,
) -> Iterator[Prediction]:
    """Yield one prediction per picture, in order, reading no more than a batch ahead.

    Args:
        trained: the network and the transform of its input.
        files: PNG or JPEG files.
        background: the background of all of them; see `pictures.read`.
        compute: the device and the precision.
        batch_size: pictures per batch.
        skip: called with each file that is not a picture, and the reason.
    """
    network = trained.network.to(compute.device)
    readable = _read(files, background, skip)
    while batch := list(itertools.islice(readable, batch_size)):
        pixels = torch.from_numpy(np.stack([picture for _, picture in batch])).unsqueeze(1)
        # The labels are unknown, and the network does not see them.
        images = Images(pixels, torch.full((len(batch),), -1))
        logits = predict(network, images, trained.transform, compute, batch_size)
        # Ranked by logits: two of them can differ where their probabilities round to the same.
        order = logits.argsort(dim=1, descending=True, stable=True)
        probabilities = logits.softmax(dim=1).gather(1, order).tolist()
        for (file, _), classes, values in zip(batch, order.tolist(), probabilities, strict=True):
            ranked = zip(classes, values, strict=True)
            names = trained.kind.classes
            likely = [(names[index], round(value, 6)) for index, value in ranked]
            yield Prediction(file, likely, names)


def table(rows: Iterable[Prediction]) -> str:
    """Return the predictions as an aligned table, probabilities to 4 decimals."""
    align = ("left", "left", "right", "left", "right")
    return tabulate(
        [row.row() for row in rows],
        ["file", "class", "probability", "runner-up", "its probability"],
        disable_numparse=[0, 1, 3],
        floatfmt=".4f",
        colalign=align,
        headersalign=align,
    )


def _read(
    files: Iterable[Path], background: Background, skip: Skip
) -> Iterator[tuple[Path, np.ndarray]]:
    for file in files:
        try:
            yield file, pictures.read(file, background)
        except InputError as error:
            skip(file, error)
