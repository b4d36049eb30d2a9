"""A trained network's answers to picture files, as lines to print."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from fashion_cnn.base.compute import Compute
from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset.images import CLASSES, Images
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.prediction.pictures import Background
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained


@dataclass(frozen=True)
class Prediction:
    """A file and the probability of each class, in [0, 1], the likeliest first."""

    file: Path
    ranked: tuple[tuple[str, float], ...]

    def row(self) -> tuple[str, str, float, str, float]:
        """Return file, class, probability, runner-up and its probability."""
        # A name that is no text in the system's encoding must not stop the printing.
        name = os.fsencode(self.file).decode(errors="backslashreplace")
        return (name, *self.ranked[0], *self.ranked[1])

    def json(self) -> str:
        """Return the prediction as one line of JSON, probabilities to 6 decimals."""
        keys = ("file", "class", "probability", "runner_up", "runner_up_probability")
        probabilities = dict(self.ranked)
        values = {
            **dict(zip(keys, self.row(), strict=True)),
            "probabilities": {name: probabilities[name] for name in CLASSES},
        }
        return json.dumps(values, ensure_ascii=False)


def predictions(
    trained: Trained,
    files: Iterable[Path],
    *,
    background: Background,
    compute: Compute,
    batch_size: int,
    skip: Callable[[Path, InputError], None],
) -> Iterator[Prediction]:
    """Yield a prediction a picture, in order, with no more than a batch of them in memory.

    Args:
        trained: the network and the transform of its input.
        files: PNG or JPEG files.
        background: of all of them; see `pictures.read`.
        compute: the device and the precision.
        batch_size: pictures a batch.
        skip: told of each file that is no picture, and why.
    """
    network = trained.network.to(compute.device)
    readable = _read(files, background, skip)
    while batch := list(itertools.islice(readable, batch_size)):
        pixels = torch.from_numpy(np.stack([picture for _, picture in batch])).unsqueeze(1)
        # Nobody knows the labels, and the network does not see them.
        images = Images(pixels, torch.full((len(batch),), -1))
        logits = predict(network, images, trained.transform, compute, batch_size)
        # By logits, as two of them may differ where their probabilities no longer do.
        order = logits.argsort(dim=1, descending=True, stable=True)
        probabilities = logits.softmax(dim=1).gather(1, order)
        for (file, _), values, classes in zip(
            batch, probabilities.tolist(), order.tolist(), strict=True
        ):
            names = [CLASSES[index] for index in classes]
            rounded = [round(value, 6) for value in values]
            yield Prediction(file, tuple(zip(names, rounded, strict=True)))


def table(rows: Iterable[Prediction]) -> str:
    """Return the predictions as an aligned table, probabilities to 4 decimals."""
    return tabulate(
        [
            (name, kind, f"{p:.4f}", second, f"{q:.4f}")
            for name, kind, p, second, q in map(Prediction.row, rows)
        ],
        ["file", "class", "probability", "runner-up", "its probability"],
        disable_numparse=True,
        colalign=("left", "left", "right", "left", "right"),
        headersalign=("left", "left", "right", "left", "right"),
    )


def _read(
    files: Iterable[Path], background: Background, skip: Callable[[Path, InputError], None]
) -> Iterator[tuple[Path, np.ndarray]]:
    for file in files:
        try:
            yield file, pictures.read(file, background)
        except InputError as error:
            skip(file, error)
