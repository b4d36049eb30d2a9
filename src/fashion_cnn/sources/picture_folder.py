"""A folder of pictures, a folder per class, as the arrays of a data set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.dataset.kind import FASHION_MNIST, TAKEN
from fashion_cnn.sources import pictures

SUBSETS = ("train", "test")
# A label is a byte.
MOST_CLASSES = 256
SHOWN = 10
SPLITS = {*SUBSETS, "val", "valid", "validation"}


class File(NamedTuple):
    """A picture file and its label."""

    path: Path
    label: int


@dataclass(frozen=True)
class Read:
    """The pictures of a subset: (N, H, W, 3) uint8, labels, files, widths and heights."""

    images: np.ndarray
    labels: np.ndarray
    files: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


def read(
    folder: Path, settings: Dataset, *, split: bool = True
) -> tuple[tuple[str, ...], dict[str, Read]]:
    """Return the names of the classes, and the training and the test pictures.

    Args:
        folder: holds train/CLASS/ and test/CLASS/, or CLASS/ alone, which is then split; pictures
            may lie at any depth in the folder of their class. Hidden files are left out.
        settings: the size, and how the pictures are brought to it and split.
        split: whether CLASS/ alone is split; if not, all its pictures are to train on.

    Raises:
        InputError: there is no such folder in it, a class has too few pictures, or more files
            than allowed can't be read; they are named.
    """
    names = _folders(folder)
    both = {*names} >= {*SUBSETS}
    if not both and {name.casefold() for name in names} <= SPLITS:
        raise InputError(
            f"{folder}: expected four IDX files, a folder per class, or train and test with a "
            f"folder per class in each, got {_listed(names) or 'no folder'}"
        )
    if both:
        classes = _classes(folder / "train")
        if foreign := {*_folders(folder / "test")} - {*classes}:
            raise InputError(f"{folder}/test has classes that train lacks: {_listed(foreign)}")
        files = {subset: _files(folder / subset, classes) for subset in SUBSETS}
        _tell_left_out(folder, SUBSETS)
    else:
        classes = _classes(folder)
        every = _files(folder, classes)
        files = _split(every, settings, folder) if split else {"train": every}
    for place in [folder / subset for subset in SUBSETS] if both else [folder]:
        _tell_left_out(place, classes)
    size = settings.image_size or FASHION_MNIST.size[0]
    unreadable: list[str] = []
    found = {}
    for subset, chosen in files.items():
        found[subset] = _read(chosen, folder, size, settings, unreadable)
        if not len(found[subset].labels):
            raise InputError(f"{folder}: expected pictures to {subset}, got none that can be read")
    _judge(unreadable, settings.pictures.unreadable)
    for subset, each in found.items():
        if lacking := [name for label, name in enumerate(classes) if label not in each.labels]:
            text = f"no picture to {subset} on of {_listed(lacking)}"
            if subset == "train":
                raise InputError(f"{folder}: {text}: add some, or remove the class's folder")
            print(f"warning: {text}: the accuracy says nothing of it")
    stacked = np.concatenate([each.images for each in found.values()])
    if pictures.without_colour(stacked).ndim == 3:
        found = {
            subset: Read(each.images[..., 0], each.labels, each.files, each.sizes)
            for subset, each in found.items()
        }
    return classes, found


def _folders(folder: Path) -> list[str]:
    """Return the names of the visible folders in a folder: numbers by value, others by letter."""
    names = [each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "."]
    return sorted(names, key=lambda name: (int(name) if name.isdecimal() else -1, name))


def _tell_left_out(folder: Path, read: Sequence[str]) -> None:
    """Print what lies visible in a folder beside the folders that are read."""
    names = [each.name for each in folder.iterdir() if each.name[0] != "."]
    if left := sorted({*names} - {*read}):
        shown = _listed(left[:SHOWN]) + (f" and {len(left) - SHOWN} more" if left[SHOWN:] else "")
        print(f"left out of {folder}, as they are in no class's folder: {shown}")


def _classes(folder: Path) -> tuple[str, ...]:
    names = _folders(folder)
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(
            f"{folder}: expected four IDX files, or 2 to {MOST_CLASSES} folders of pictures, each "
            f"named like its class, got {len(names)} folders"
        )
    unfit = {name for name in names if not name.isprintable() or name != name.strip()}
    if bad := {*names} & TAKEN | unfit:
        raise InputError(f"{folder}: no class may have the name {_listed(bad)}: rename the folder")
    return tuple(names)


def _files(folder: Path, classes: Sequence[str]) -> list[File]:
    """Return the visible files of every class, in the order of the classes and of their paths."""
    return [
        File(path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if (path.is_file() or (path.is_symlink() and not path.exists()))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _split(files: list[File], settings: Dataset, folder: Path) -> dict[str, list[File]]:
    """Return the same share of each class to train on and to test on, drawn by the seed."""
    split: dict[str, list[File]] = {subset: [] for subset in SUBSETS}
    fraction = settings.pictures.test_fraction
    for label in sorted({file.label for file in files}):
        of_class = [file for file in files if file.label == label]
        tested = round(fraction * len(of_class))
        if not 0 < tested < len(of_class):
            raise InputError(
                f"{of_class[0].path.parent}: dataset.pictures.test_fraction {fraction} of "
                f"{len(of_class)} picture(s) leaves none to train or none to test: add pictures"
            )
        generator = np.random.default_rng([settings.pictures.seed, label])
        chosen = {*generator.permutation(len(of_class))[:tested].tolist()}
        for index, file in enumerate(of_class):
            split["test" if index in chosen else "train"].append(file)
    if not files:
        raise InputError(f"{folder}: expected pictures in the folders of its classes, got none")
    return split


def _read(
    files: Iterable[File], folder: Path, size: int, settings: Dataset, unreadable: list[str]
) -> Read:
    images, labels, names, sizes = [], [], [], []
    for file in files:
        name = file.path.relative_to(folder).as_posix()
        try:
            image, shape = pictures.read(file.path, (size, size), settings.pictures)
        except InputError as error:
            unreadable.append(f"{name}: {error}")
            continue
        images.append(image)
        labels.append(file.label)
        names.append(name)
        sizes.append(shape)
    stacked = np.stack(images) if images else np.zeros((0, size, size, 3), np.uint8)
    return Read(stacked, np.array(labels, np.uint8), names, sizes)


def _judge(unreadable: list[str], allowed: int) -> None:
    """Name the files that can't be read; more than are allowed are an error."""
    lines = [*unreadable[:SHOWN], f"and {len(unreadable) - SHOWN} more"]
    listed = "\n".join(f"  {line}" for line in lines[: len(unreadable)])
    if len(unreadable) > allowed:
        raise InputError(
            f"{len(unreadable)} file(s) can't be read, and dataset.pictures.unreadable allows "
            f"{allowed}: remove them or allow so many\n{listed}"
        )
    if unreadable:
        print(f"left out {len(unreadable)} file(s) that can't be read:\n{listed}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(repr, names)))
