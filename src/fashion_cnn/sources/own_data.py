"""A user's own images in place of Fashion-MNIST: four IDX files, and their classes' names."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import lies_in
from fashion_cnn.dataset import idx
from fashion_cnn.dataset.kind import CLASSES_FILE, read_classes
from fashion_cnn.sources.files import FILES, write


def adopt(folder: Path, watched: Path, destination: Path) -> None:
    """Check the four files of `folder` and write them, decompressed, to `destination`.

    Args:
        folder: holds the four IDX files, as .gz or decompressed, with any number of images
            (N, H, W) or (N, H, W, 3); where there is a classes.txt, it names the classes.
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
    classes = read_classes(folder)
    contents = {file.name: _read(folder / file.name) for file in FILES}
    shapes = []
    for subset in ("train", "t10k"):
        images_file, labels_file = f"{subset}-images-idx3-ubyte", f"{subset}-labels-idx1-ubyte"
        images = _decode(folder / images_file, contents[images_file], 3, 4)
        labels = _decode(folder / labels_file, contents[labels_file], 1)
        shapes.append(images.shape[1:])
        if len(images) != len(labels) or images.shape[3:] not in {(), (3,)}:
            raise InputError(
                f"{folder / images_file}: expected images (N, H, W) or (N, H, W, 3), one for each "
                f"of {len(labels)} labels, got {images.shape}"
            )
        if (highest := labels.max()) >= len(classes):
            raise InputError(
                f"{folder / labels_file}: expected labels from 0 to {len(classes) - 1}, got "
                f"{highest}: {CLASSES_FILE} beside it names more classes, one a line"
            )
    if shapes[0] != shapes[1]:
        raise InputError(f"{folder}: the training images are {shapes[0]}, the test's {shapes[1]}")
    names = "".join(f"{name}\n" for name in classes).encode()
    write(destination, contents | ({CLASSES_FILE: names} if classes_given(folder) else {}))


def classes_given(folder: Path) -> bool:
    """Return whether a folder of IDX files names its classes."""
    return (folder / CLASSES_FILE).exists()


def _read(path: Path) -> bytes:
    """Return the decompressed content of `path`, or of the .gz file beside it."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        return path.read_bytes() if path.is_file() else gzip.decompress(packed.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds neither {path.name} nor {packed.name}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: damaged gzip ({error})") from None


def _decode(path: Path, content: bytes, *dimensions: int) -> np.ndarray:
    try:
        return idx.decode(content, *dimensions)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
