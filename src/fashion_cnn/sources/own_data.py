"""A user's own images in place of Fashion-MNIST: four IDX files of the same format."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import lies_in
from fashion_cnn.dataset import idx
from fashion_cnn.sources.files import FILES, write

NUM_CLASSES = 10
IMAGE_SHAPE = (28, 28)


def adopt(folder: Path, watched: Path, destination: Path) -> None:
    """Check the four files of `folder` and write them, decompressed, to `destination`.

    Args:
        folder: holds the four IDX files, as .gz or decompressed, with any number of images.
        watched: the folder that DVC watches; `folder` must be inside it.
        destination: a folder, replaced as a whole or left as it was.

    Raises:
        InputError: `folder` is elsewhere, or a file is missing or not in the format.
    """
    if not lies_in(folder, watched) or not folder.is_dir():
        raise InputError(
            f"dataset.folder: expected null or a folder in data/{watched.name}/, which DVC "
            f"watches, got '{folder}'"
        )
    contents = {file.name: _read(folder / file.name) for file in FILES}
    for subset in ("train", "t10k"):
        images_file, labels_file = f"{subset}-images-idx3-ubyte", f"{subset}-labels-idx1-ubyte"
        images = _decode(folder / images_file, contents[images_file], dimensions=3)
        labels = _decode(folder / labels_file, contents[labels_file], dimensions=1)
        if images.shape != (len(labels), *IMAGE_SHAPE) or not len(labels):
            raise InputError(
                f"{folder / images_file}: expected images of 28x28 pixels, one for each of "
                f"{len(labels)} labels, got {images.shape}"
            )
        if (highest := labels.max()) >= NUM_CLASSES:
            raise InputError(f"{folder / labels_file}: expected labels from 0 to 9, got {highest}")
    write(destination, contents)


def _read(path: Path) -> bytes:
    """Return the decompressed content of `path`, or of the .gz file beside it."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        return path.read_bytes() if path.is_file() else gzip.decompress(packed.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds neither {path.name} nor {packed.name}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: damaged gzip ({error})") from None


def _decode(path: Path, content: bytes, *, dimensions: int) -> np.ndarray:
    try:
        return idx.decode(content, dimensions)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
