"""Picture files as a network expects them: as its own data set's pictures were read."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.prediction import many, pictures
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
        return many.read_all(partial(pictures.read, background=background), paths)
    return many.read_all(
        partial(pictures.read_own, kind=trained.kind, settings=trained.pictures), paths
    )
