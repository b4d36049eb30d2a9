"""A user's own images in place of Fashion-MNIST: a folder of pictures, or four IDX files."""

import gzip
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.base.paths import left_out, lies_in
from fashion_cnn.dataset import idx
from fashion_cnn.dataset.kind import CLASSES_FILE, read_classes
from fashion_cnn.sources import picture_folder
from fashion_cnn.sources.files import FILES, write
from fashion_cnn.sources.picture_folder import Read

# A small .gz file can unpack to any size.
MOST_UNPACKED = 4_000_000_000


def adopt(folder: Path, watched: Path, destination: Path, settings: Dataset) -> Mapping[str, Read]:
    """Write the images of `folder` to `destination`, as four IDX files and classes.txt.

    Args:
        folder: holds a folder of pictures per class, see `picture_folder`; or the four IDX files,
            as .gz or decompressed, with any number of images (N, H, W) or (N, H, W, 3), whose
            classes a classes.txt may name.
        watched: the folder that DVC watches; `folder` must be inside it.
        destination: a folder, replaced as a whole or left as it was.
        settings: how pictures become images.

    Returns:
        The pictures that were read, by subset; nothing of IDX files.

    Raises:
        InputError: `folder` is elsewhere, or what it holds is incomplete or can't be read.
    """
    if not lies_in(folder, watched) or not folder.is_dir():
        raise InputError(
            f"dataset.folder: expected null or a folder in data/{watched.name}/, which DVC "
            f"watches, got '{folder}'" + left_out(os.path.relpath(folder, watched.parents[1]))
        )
    if any((folder / f"{file.name}{suffix}").exists() for file in FILES for suffix in ("", ".gz")):
        if settings.image_size:
            raise InputError(
                "dataset.image_size: expected null for IDX files, whose images are taken as they "
                f"are (a network's own image_size resizes them), got {settings.image_size}"
            )
        write(destination, _idx_files(folder))
        return {}
    classes, found = picture_folder.read(folder, settings)
    train, test = (found[subset] for subset in picture_folder.SUBSETS)
    arrays = (train.images, train.labels, test.images, test.labels)
    contents = {file.name: idx.encode(array) for file, array in zip(FILES, arrays, strict=True)}
    write(destination, contents | {CLASSES_FILE: _lines(classes)})
    return found


def _idx_files(folder: Path) -> dict[str, bytes]:
    """Return the content of the four files of a folder, checked, and of classes.txt."""
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
    if (folder / CLASSES_FILE).exists():
        contents[CLASSES_FILE] = _lines(classes)
    return contents


def _lines(classes: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in classes).encode()


def _read(path: Path) -> bytes:
    """Return the decompressed content of `path`, or of the .gz file beside it."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        return path.read_bytes() if path.is_file() else _unpacked(packed)
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds neither {path.name} nor {packed.name}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: damaged gzip ({error})") from None


def _unpacked(path: Path) -> bytes:
    """Return the content of a .gz file, up to one byte more than its IDX header promises."""
    with gzip.open(path) as file:
        header = file.read(idx.LONGEST_HEADER)
        try:
            promised = idx.num_bytes(header)
        except InputError:
            return header
        if promised > MOST_UNPACKED:
            raise InputError(
                f"{path}: its header promises {promised / 1e9:,.1f} GB, more than is unpacked "
                f"here: run `gunzip {path.name}` beside it"
            )
        return header + file.read(max(promised + 1 - len(header), 0))


def _decode(path: Path, content: bytes, *dimensions: int) -> np.ndarray:
    try:
        return idx.decode(content, *dimensions)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
