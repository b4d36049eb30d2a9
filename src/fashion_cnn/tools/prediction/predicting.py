"""A trained network's predictions for picture files, as lines to print."""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import written_atomically
from fashion_cnn.base.params import Dataset
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images
from fashion_cnn.tools.prediction import many, pictures
from fashion_cnn.tools.prediction.pictures import Background, Picture
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

Skip = Callable[[Path, InputError], None]


@dataclass(frozen=True)
class Prediction:
    """A file, each class with its probability in [0, 1], the most likely first, and a note.

    The note says what in the picture makes the answer doubtful; None for nothing.
    """

    file: Path
    ranked: list[tuple[str, float]]
    classes: tuple[str, ...]
    note: str | None

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
        return json.dumps({**values, "probabilities": dict(by_class), "note": self.note})


def predictions(
    trained: Trained,
    files: Iterable[Path],
    *,
    background: Background,
    compute: Compute,
    batch_size: int,
    skip: Skip,
    show: Path | None = None,
) -> Iterator[Prediction]:
    """Yield one prediction per picture, in order, reading no more than a batch ahead.

    Args:
        trained: the network and the transform of its input.
        files: the pictures.
        background: of all of them, see `pictures.read`.
        compute: the device and the precision.
        batch_size: pictures per batch.
        skip: called with each file that is not a picture, and the reason.
        show: a folder for what the network sees of each picture: NUMBER-NAME.png, numbered from 1
            in order; None for nowhere.
    """
    network = trained.network.to(compute.device)
    remaining, shown = iter(files), 0
    while some := list(itertools.islice(remaining, batch_size)):
        batch = []
        for file, picture in zip(some, read_all(trained, some, background), strict=True):
            if isinstance(picture, InputError):
                skip(file, picture)
            else:
                batch.append((file, picture))
        if not batch:
            continue
        if show:
            for number, (file, picture) in enumerate(batch, shown + 1):
                path = show / f"{number:04}-{file.stem[:60]}.png"
                with written_atomically(path) as unfinished:
                    Image.fromarray(picture.pixels).save(unfinished)
            shown += len(batch)
        stacked = torch.from_numpy(np.stack([picture.pixels for _, picture in batch]))
        # (N, H, W) or (N, H, W, 3) -> (N, C, H, W)
        pixels = stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)
        # The labels are unknown, and the network does not see them.
        images = Images(pixels, torch.full((len(batch),), -1))
        logits = predict(network, images, trained.transform, compute, batch_size)
        # Ranked by logits: two of them can differ where their probabilities round to the same.
        order = logits.argsort(dim=1, descending=True, stable=True)
        probabilities = logits.softmax(dim=1).gather(1, order).tolist()
        names = trained.kind.classes
        for (file, picture), *both in zip(batch, order.tolist(), probabilities, strict=True):
            ranked = [(names[i], round(value, 6)) for i, value in zip(*both, strict=True)]
            yield Prediction(file, ranked, names, picture.note)


def read_all(
    trained: Trained, paths: Sequence[Path], background: Background
) -> list[Picture | InputError]:
    """Return each file as the network sees it, or why it cannot be read.

    A network of Fashion-MNIST gets a garment on black; one of other images gets what the pictures
    of its data set went through, whatever the background.
    """
    read = partial(pictures.read, background=background)
    if trained.pictures is not None:
        read = partial(pictures.read_own, kind=trained.kind, settings=trained.pictures)
    return many.read_all(read, paths)


def tell_differing(trained: Trained, dataset: Dataset) -> None:
    """Say on stderr how params.yaml differs from what the weights were trained with."""
    for key in ("mean", "standard_deviation"):
        used, written = getattr(trained.transform, key), getattr(dataset, key)
        if used != written:
            print(
                f"note: the weights were trained with dataset.{key} {used}, which is used; "
                f"params.yaml has {written}",
                file=sys.stderr,
            )


def table(rows: Sequence[Prediction]) -> str:
    """Return the predictions as an aligned table, probabilities to 4 decimals.

    Notes have a column where there are any.
    """
    headers = ["file", "class", "probability", "runner-up", "its probability", "note"]
    align = ["left", "left", "right", "left", "right", "left"]
    columns = 6 if any(row.note for row in rows) else 5
    return tabulate(
        [(*row.row(), row.note or "")[:columns] for row in rows],
        headers[:columns],
        disable_numparse=[0, 1, 3, *range(5, columns)],
        floatfmt=".4f",
        colalign=align[:columns],
        headersalign=align[:columns],
    )
