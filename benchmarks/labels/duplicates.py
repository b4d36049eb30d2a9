"""Images that are there twice: pairs of almost the same pixels, within and across the split."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fashion_cnn.dataset.images import Images

BLOCK = 1_000


def near(subsets: Mapping[str, Images], least: float) -> pd.DataFrame:
    """Return the pairs of images whose pixels correlate by at least `least`, the nearest first.

    Args:
        subsets: grey images by the name of their part of the split.
        least: of Pearson's correlation over the pixels of two images, so that neither brightness
            nor contrast counts.

    Returns:
        Columns: first_split, first_index, first_label, the same of second, correlation, and exact:
        whether all pixels are equal.
    """
    names = np.repeat([*subsets], [len(images) for images in subsets.values()])
    indices = np.concatenate([np.arange(len(images)) for images in subsets.values()])
    labels = np.concatenate(
        [np.array(images.classes)[images.labels.numpy()] for images in subsets.values()]
    )
    pixels = np.concatenate([images.pixels.flatten(1).numpy() for images in subsets.values()])
    unit = pixels.astype(np.float32)
    unit -= unit.mean(axis=1, keepdims=True)
    # An image of one grey level correlates with none.
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(min=1e-6)
    tables = []
    for start in range(0, len(unit), BLOCK):
        correlation = unit[start : start + BLOCK] @ unit[start:].T
        rows, columns = (correlation >= least).nonzero()
        ahead = rows < columns
        first, second = rows[ahead] + start, columns[ahead] + start
        table = {"correlation": correlation[rows[ahead], columns[ahead]].astype(float).round(4)}
        table["exact"] = (pixels[first] == pixels[second]).all(axis=1)
        for name, image in (("first", first), ("second", second)):
            table |= {f"{name}_split": names[image], f"{name}_index": indices[image]}
            table[f"{name}_label"] = labels[image]
        tables.append(pd.DataFrame(table))
    return pd.concat(tables).sort_values(
        ["correlation", "first_split", "first_index", "second_split", "second_index"],
        ascending=[False, True, True, True, True],
        ignore_index=True,
    )


def counts(pairs: pd.DataFrame) -> dict[str, int]:
    """Return how many pairs lie within each part of the split and across it, and what they do.

    Returns:
        Pairs within train, within test and across; test images with a twin to train on; pairs of
        different labels.
    """
    same = pairs["first_split"] == pairs["second_split"]
    across = pairs[~same]
    test = {
        index
        for side in ("first", "second")
        for index in across.loc[across[f"{side}_split"] == "test", f"{side}_index"]
    }
    return {
        "pairs_within_train": int((same & (pairs["first_split"] == "train")).sum()),
        "pairs_within_test": int((same & (pairs["first_split"] == "test")).sum()),
        "pairs_across": len(across),
        "test_images_with_a_twin_in_train": len(test),
        "pairs_of_different_labels": int((pairs["first_label"] != pairs["second_label"]).sum()),
        "exact_pairs": int(pairs["exact"].sum()),
    }
