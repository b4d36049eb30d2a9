"""Images whose label is probably wrong, by confident learning."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues


def find(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return the images whose label is suspect, the least credible first.

    Confident learning estimates how many images of each class bear the label of each other class:
    an image counts as of the class whose probability exceeds the mean of that class's own images.
    Of each such pair of classes, as many images are suspect, by the largest margin.

    Args:
        labels: (N,) int, as given.
        probabilities: (N, classes) float, by networks that were not trained on the image.
        classes: their names.

    Returns:
        Columns: index, given, suggested (the most probable class), self_confidence (the given
        label's probability) and suggested_confidence.

    Source: Northcutt, Jiang & Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset
    Labels, "prune by noise rate", by the authors' library cleanlab.
    """
    index = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    probabilities = probabilities.astype(float)
    suggested, names = probabilities[index].argmax(axis=1), np.array(classes)
    return pd.DataFrame(
        {
            "index": index,
            "given": names[labels[index]],
            "suggested": names[suggested],
            "self_confidence": probabilities[index, labels[index]].round(6),
            "suggested_confidence": probabilities[index, suggested].round(6),
        }
    )
