"""`make bench-labels`: which labels of Fashion-MNIST are probably wrong, and what that costs.

Networks that were not trained on an image judge its label. The committed run's predictions on the
test set are then counted with and without the suspects. Pairs of almost equal images are listed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import measure
from benchmarks.labels import counting, duplicates, out_of_sample, sheets, suspects
from benchmarks.labels.sheets import Tile
from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.files import write_csv, write_json
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, read

JUDGES = ("lenet", "vgg")
FOLDS = 3
NEAR, SAME = 0.995, 0.999
"""Pixel correlation, by eye: from NEAR on, the same garment or the same cut in another print or
shade; from SAME on, the same photograph. Below NEAR, more and more any two trousers."""
SHOWN = 40
GIVEN, SUGGESTED, PLAIN = "#b00020", "#00602b", "#555555"


def main() -> None:
    """Judge all labels, print the tables, write benchmarks/results/ and the pictures in docs/."""
    parser = argparse.ArgumentParser(prog="make bench-labels", description=__doc__)
    parser.parse_args()
    predictions = committed_predictions(root())
    subsets = {"train": read(dataset_folder(), "train"), "test": read(dataset_folder(), "t10k")}
    compute = prepare("cpu", "float32")
    values = out_of_sample.recipes(JUDGES)
    kept = root() / "runs/labels"
    judged = [
        out_of_sample.probabilities(
            model, values, FOLDS, subsets["train"], subsets["test"], compute, kept
        )
        for model in JUDGES
    ]
    means = [np.mean(each, axis=0) for each in zip(*judged, strict=True)]
    found = judge(subsets, means)
    suspect = found[found["split"] == "test"]
    pairs = duplicates.near(subsets, NEAR)
    results = root() / "benchmarks/results"
    write_csv(results / "labels.csv", records(found))
    write_csv(results / "near_duplicates.csv", records(pairs))
    tables = {
        "suspects": counting.by_class(found, subsets["train"].classes),
        "accuracy": counting.accuracies(predictions, suspect),
        "all_wrong": counting.all_wrong(predictions, suspect),
        "confusions": counting.confusions(predictions).head(8),
        "judges": judges_accuracy([*judged, means], subsets),
        "duplicates": pd.DataFrame(
            {"correlation": least, **duplicates.counts(pairs[pairs["correlation"] >= least])}
            for least in (SAME, NEAR)
        ),
    }
    write_json(
        results / "labels.json",
        {"made_with": measure.made_with(compute)}
        | {name: records(table.round(4)) for name, table in tables.items()},
    )
    for table in tables.values():
        print(table.round(4).to_markdown(index=False), end="\n\n")
    draw(found, pairs, subsets, root() / "docs")
    rmtree(kept)


def committed_predictions(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the predictions of the run in a project's folder, by network.

    Raises:
        InputError: they are missing.
    """
    paths = {model: folder / f"data/predictions/{model}.csv" for model in MODELS}
    for path in paths.values():
        if not path.is_file():
            raise InputError(f"{path} is missing: get it with `dvc repro` or `dvc pull`")
    return {model: pd.read_csv(path) for model, path in paths.items()}


def judge(subsets: dict[str, Images], probabilities: list[np.ndarray]) -> pd.DataFrame:
    """Return the suspects of all parts of the split, with the column split first."""
    found = []
    for (split, images), each in zip(subsets.items(), probabilities, strict=True):
        table = suspects.find(images.labels.numpy(), each, images.classes)
        table.insert(0, "split", split)
        found.append(table)
    return pd.concat(found, ignore_index=True)


def judges_accuracy(
    judged: Sequence[Sequence[np.ndarray]], subsets: dict[str, Images]
) -> pd.DataFrame:
    """Return how often each judge, and last their mean, agrees with the labels as given."""
    return pd.DataFrame(
        {"judge": name}
        | {
            split: (each.argmax(axis=1) == images.labels.numpy()).mean()
            for (split, images), each in zip(subsets.items(), arrays, strict=True)
        }
        for name, arrays in zip((*JUDGES, "mean of both"), judged, strict=True)
    )


def draw(found: pd.DataFrame, pairs: pd.DataFrame, subsets: dict[str, Images], docs: Path) -> None:
    """Write the pictures of the least credible labels and of the nearest pairs."""

    def image(split: str, index: int) -> np.ndarray:
        return subsets[split].pixels[index, 0].numpy()

    for split in subsets:
        tiles: list[Tile] = [
            (
                [image(split, row["index"])],
                [(row["given"], GIVEN), (row["suggested"], SUGGESTED), (str(row["index"]), PLAIN)],
            )
            for row in records(found[found["split"] == split].head(SHOWN))
        ]
        sheets.save(sheets.sheet(tiles), docs / f"labels_{split}.png")
    sides = ("first", "second")
    across = pairs[pairs["first_split"] != pairs["second_split"]]
    tiles = []
    for row in records(across.head(SHOWN // 2)):
        places = [(row[f"{side}_split"], row[f"{side}_index"]) for side in sides]
        names = ", ".join(f"{split} {index}" for split, index in places)
        labels = " and ".join(dict.fromkeys(row[f"{side}_label"] for side in sides))
        tiles.append(([image(*place) for place in places], [(names, PLAIN), (labels, PLAIN)]))
    sheets.save(sheets.sheet(tiles, columns=4), docs / "labels_duplicates.png")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


if __name__ == "__main__":
    run(main)
