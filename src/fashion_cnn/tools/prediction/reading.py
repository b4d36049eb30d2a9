"""Picture files as a network expects them: as its own data set's pictures were read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources import pictures as own
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.prediction.pictures import Background, Picture
from fashion_cnn.trained.weights import Trained


def read_all(
    trained: Trained, paths: Sequence[Path], background: Background
) -> list[Picture | InputError]:
    """Return each file as the network sees it, or why it can't be read.

    A network of Fashion-MNIST gets a garment on black; one of other images gets what the pictures
    of its data set went through, and `background` says nothing to it.
    """
    if trained.pictures is None:
        return pictures.read_all(paths, background)
    return [_read(path, trained) for path in paths]


def _read(path: Path, trained: Trained) -> Picture | InputError:
    assert trained.pictures
    try:
        image, _ = own.read(path, trained.kind.size, trained.pictures)
    except InputError as error:
        return error
    grey = trained.kind.channels == 1
    return Picture(np.asarray(Image.fromarray(image).convert("L")) if grey else image)
