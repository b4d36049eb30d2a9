"""Predictions -> numbers and tables."""

import pandas as pd
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from fashion_cnn.dataset import CLASSES


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the metrics of logits (N, 10) float32 against labels (N,) int64.

    Returns:
        images: N; accuracy, top_2_accuracy, macro_f1: in [0, 1]; loss: mean cross-entropy in
        nats; expected_calibration_error: in [0, 1], over 15 bins.

    Source: Guo et al. (2017), eq. 3, for the calibration error.
    """
    classes = len(CLASSES)
    probabilities = logits.softmax(dim=1)
    measured = {
        "accuracy": multiclass_accuracy(probabilities, labels, classes, average="micro"),
        "top_2_accuracy": multiclass_accuracy(
            probabilities, labels, classes, average="micro", top_k=2
        ),
        "macro_f1": multiclass_f1_score(probabilities, labels, classes, average="macro"),
        "loss": F.cross_entropy(logits, labels),
        "expected_calibration_error": multiclass_calibration_error(
            probabilities, labels, classes, n_bins=15
        ),
    }
    return {
        "images": len(labels),
        **{name: float(f"{value.item():.6g}") for name, value in measured.items()},
    }


def tabulate(logits: Tensor, labels: Tensor) -> tuple[str, str]:
    """Return two CSV texts with a row an image, classes by name.

    Returns:
        index, label, predicted and the probability of each class, to 6 decimals; and actual,
        predicted, for a confusion matrix.
    """
    names = pd.Series(CLASSES)
    table = pd.DataFrame(logits.softmax(dim=1).numpy(), columns=list(CLASSES))
    table.insert(0, "index", range(len(labels)))
    table.insert(1, "label", names[labels.numpy()].to_numpy())
    table.insert(2, "predicted", names[logits.argmax(dim=1).numpy()].to_numpy())
    confusion = table[["label", "predicted"]].rename(columns={"label": "actual"})
    return (
        table.to_csv(index=False, float_format="%.6f", lineterminator="\n"),
        confusion.to_csv(index=False, lineterminator="\n"),
    )
