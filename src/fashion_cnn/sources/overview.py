"""What a data set holds, before anything is trained on it: a picture, tables, warnings."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from fashion_cnn.base.files import write_csv, write_json, written_atomically
from fashion_cnn.dataset import idx
from fashion_cnn.dataset.kind import read_classes
from fashion_cnn.sources.files import FILES
from fashion_cnn.sources.picture_folder import SUBSETS, Read

FOLDERS = ("metrics", "plots/data")
# Of the contact sheet.
PER_CLASS, MOST_ROWS, TILE, NAME_WIDTH = 16, 40, 48, 160
# An image without a pixel of more than a tenth of white shows nothing.
NEAR_BLACK = 25
LISTED = 5


@dataclass(frozen=True)
class Subset:
    """Images (N, H, W) or (N, H, W, 3) uint8, labels (N,), and what names each in a message."""

    images: np.ndarray
    labels: np.ndarray
    names: Sequence[str]


def write(folder: Path, data: Path, pictures: Mapping[str, Read]) -> None:
    """Write metrics/download.json and plots/data/ about a data set, and print its warnings.

    Args:
        folder: the project's.
        data: the four IDX files.
        pictures: the files that they come from, by subset, where they come from pictures.
    """
    contents = [data / file.name for file in FILES]
    decoded = [idx.decode(path.read_bytes(), 1, 3, 4) for path in contents]
    subsets = {
        subset: Subset(images, labels, _names(subset, len(labels), pictures))
        for subset, images, labels in zip(SUBSETS, decoded[::2], decoded[1::2], strict=True)
    }
    classes = read_classes(data)
    counts = {
        subset: np.bincount(each.labels, minlength=len(classes)) for subset, each in subsets.items()
    }
    rows = [
        {"class": name, **{subset: int(counts[subset][label]) for subset in SUBSETS}}
        for label, name in enumerate(classes)
    ]
    write_csv(folder / "plots" / "data" / "classes.csv", rows)
    with written_atomically(folder / "plots" / "data" / "images.png") as unfinished:
        contact_sheet(subsets["train"], classes).save(unfinished, format="PNG")
    found = describe(subsets, classes, pictures)
    # DVC shows nothing that is in a list.
    write_json(folder / "metrics" / "download.json", {name: [each] for name, each in found.items()})
    for line in warnings(found):
        print(line)


def describe(
    subsets: Mapping[str, Subset], classes: Sequence[str], pictures: Mapping[str, Read]
) -> dict[str, Any]:
    """Return a data set's size and form, and its duplicate, near-black and constant images."""
    sizes = [size for each in pictures.values() for size in each.sizes]
    shape = subsets["train"].images.shape[1:]
    form = {
        "classes": len(classes),
        "images": {subset: len(each.labels) for subset, each in subsets.items()},
        "height": shape[0],
        "width": shape[1],
        "channels": 1 if len(shape) == 2 else shape[2],
    }
    if sizes:
        columns = np.array(sizes)
        form["pictures"] = {
            name: {
                "least": int(column.min()),
                "median": int(np.median(column)),
                "most": int(column.max()),
            }
            for name, column in zip(("width", "height"), columns.T, strict=True)
        }
    flat = {subset: each.images.reshape(len(each.labels), -1) for subset, each in subsets.items()}
    dull: dict[str, list[str]] = {"constant": [], "near_black": []}
    for subset, values in flat.items():
        highest = values.max(axis=1)
        constant = values.min(axis=1) == highest
        for name, chosen in (("constant", constant), ("near_black", highest <= NEAR_BLACK)):
            dull[name] += [subsets[subset].names[index] for index in chosen.nonzero()[0]]
    return {"data": form, "duplicates": _duplicates(flat, subsets), **dull}


def warnings(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each kind of thing that is wrong with a data set, with examples."""
    texts = {
        "across": "images to test on are images to train on too: the test accuracy is too high",
        "train": "groups of images to train on are the same",
        "test": "groups of images to test on are the same",
    }
    for kind, text in texts.items():
        groups = [" = ".join(group) for group in found["duplicates"][kind]]
        if groups:
            yield _warning(text, groups)
    for kind in ("constant", "near_black"):
        if found[kind]:
            yield _warning(f"images are {kind.replace('_', '-')}", found[kind])


def contact_sheet(subset: Subset, classes: Sequence[str]) -> Image.Image:
    """Return a row of the first images of each class, beside its name."""
    rows = classes[:MOST_ROWS]
    size = (NAME_WIDTH + PER_CLASS * TILE, len(rows) * TILE)
    colour = subset.images.ndim == 4
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for label, name in enumerate(rows):
        draw.text((6, label * TILE + TILE // 2 - 6), name[:24], fill="black", font_size=12)
        for place, index in enumerate((subset.labels == label).nonzero()[0][:PER_CLASS]):
            tile = Image.fromarray(subset.images[index], "RGB" if colour else "L")
            nearest = tile.resize((TILE - 2, TILE - 2), Image.Resampling.NEAREST)
            sheet.paste(nearest, (NAME_WIDTH + place * TILE, label * TILE + 1))
    return sheet


def _names(subset: str, count: int, pictures: Mapping[str, Read]) -> Sequence[str]:
    return pictures[subset].files if pictures else [f"{subset} {index}" for index in range(count)]


def _duplicates(
    flat: Mapping[str, np.ndarray], subsets: Mapping[str, Subset]
) -> dict[str, list[list[str]]]:
    """Return groups of names of equal images: within each subset, and across both."""
    groups: dict[bytes, dict[str, list[str]]] = defaultdict(lambda: {each: [] for each in SUBSETS})
    for subset, values in flat.items():
        for name, image in zip(subsets[subset].names, values, strict=True):
            groups[image.tobytes()][subset].append(name)
    within = {
        subset: [group[subset] for group in groups.values() if len(group[subset]) > 1]
        for subset in SUBSETS
    }
    across = [group["train"] + group["test"] for group in groups.values() if all(group.values())]
    return {**within, "across": across}


def _warning(text: str, examples: Sequence[str]) -> str:
    more = f"; and {len(examples) - LISTED} more" if len(examples) > LISTED else ""
    return f"warning: {len(examples)} {text}: {'; '.join(examples[:LISTED])}{more}"
