"""From predictions to numbers and tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import binomtest
from torch import Tensor, nn
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
    multiclass_stat_scores,
)

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import as_json, write_text
from fashion_cnn.dataset.images import Images
from fashion_cnn.tracing import trace_network

# Number of confidence bins, as in Guo et al. (2017).
BINS = 15
# What DVC shows of an evaluation, first the accuracy.
SHOWN = ("accuracy", "macro_f1", "loss")
# Where the files of an evaluation lie.
FOLDERS = (
    "data/predictions",
    "metrics/evaluate",
    *(f"plots/{name}" for name in ("classes", "confusion", "evaluate", "reliability")),
)


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the metrics of logits (N, classes) float32 against labels (N,) int64.

    Returns:
        images: N; accuracy, top_2_accuracy, macro_f1: in [0, 1]; accuracy_low, accuracy_high: the
        95% interval of the accuracy; loss: mean negative log-likelihood in nats;
        expected_calibration_error: in [0, 1], over 15 bins. macro_f1 is the mean over the classes
        that occur among the labels or the predictions.

    Raises:
        InputError: a logit is NaN or infinite.

    Source: Wilson (1927) for the interval; Guo et al. (2017), eq. 3, for the calibration error.
    """
    _require_finite(logits)
    classes = logits.shape[1]
    probabilities = logits.softmax(dim=1)
    correct = int((logits.argmax(dim=1) == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(0.95, method="wilson")
    top_2 = multiclass_accuracy(probabilities, labels, classes, average="micro", top_k=2)
    measured: dict[str, float | Tensor] = {
        "accuracy": multiclass_accuracy(probabilities, labels, classes, average="micro"),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "top_2_accuracy": top_2,
        "macro_f1": multiclass_f1_score(probabilities, labels, classes, average="macro"),
        "loss": F.cross_entropy(logits, labels),
        "expected_calibration_error": multiclass_calibration_error(
            probabilities, labels, classes, n_bins=BINS
        ),
    }
    return {
        "images": len(labels),
        **{name: float(f"{float(value):.6g}") for name, value in measured.items()},
    }


def write(
    folder: Path,
    model: str,
    metrics: Mapping[str, float],
    made_with: Mapping[str, object],
    logits: Tensor,
    images: Images,
) -> None:
    """Write the files of an evaluation, but for its pictures.

    Args:
        folder: of the project.
        model: a module of fashion_cnn.models; names the files.
        metrics: those of `measure` and `cost`. DVC shows what stands under the model's name, and
            nothing that is in a list. The calibration error stands in a file of its own, so that
            DVC shows every network's accuracy before it.
        made_with: what the numbers depend on besides code, params and data.
        logits: (N, classes) float32.
        images: the N images that the logits are of.
    """
    labels, classes = images.labels, images.classes
    rest = dict(metrics)
    shown = {name: rest.pop(name) for name in SHOWN}
    error = {"expected_calibration_error": rest.pop("expected_calibration_error")}
    details = [{**rest, "evaluated_with": made_with}]
    bins = reliability(logits, labels)
    filled = json.loads(bins[bins["images"] > 0].round(6).to_json(orient="records"))
    predictions, confusion = tabulate(logits, labels, classes)
    contents = {
        f"data/predictions/{model}.csv": predictions,
        f"plots/confusion/{model}.csv": confusion,
        f"plots/classes/{model}.csv": measure_classes(logits, labels, classes).to_csv(index=False),
        f"plots/reliability/{model}.json": as_json({model: error, "bins": filled}),
        f"metrics/evaluate/{model}.json": as_json({model: shown, "details": details}),
    }
    for path, text in contents.items():
        write_text(folder / path, text)


def cost(network: nn.Module, image_size: int, channels: int = 1) -> dict[str, int]:
    """Return the network's parameters, multiply-accumulates per image and weight bytes."""
    weights = list(network.parameters())
    layers = trace_network(network, (channels, image_size, image_size))
    return {
        "parameters": sum(weight.numel() for weight in weights),
        "multiply_accumulates": sum(layer.multiply_accumulates for layer in layers),
        "weight_bytes": sum(weight.numel() * weight.element_size() for weight in weights),
    }


def measure_classes(logits: Tensor, labels: Tensor, names: Sequence[str]) -> pd.DataFrame:
    """Return class, precision, recall, f1 and images, one row per class in the classes' order.

    No cell is empty: precision is 0 for a class that is never predicted, recall is 0 for one
    without images, and f1 is 0 if both are.
    """
    predicted, classes = logits.argmax(dim=1), len(names)
    table = {
        "precision": multiclass_precision(predicted, labels, classes, average=None),
        "recall": multiclass_recall(predicted, labels, classes, average=None),
        "f1": multiclass_f1_score(predicted, labels, classes, average=None),
    }
    # Columns of the scores: true and false positives, true and false negatives, support.
    support = multiclass_stat_scores(predicted, labels, classes, average=None)[:, 4]
    return pd.DataFrame(
        {"class": names}
        | {name: column.double().numpy().round(6) for name, column in table.items()}
        | {"images": support.numpy()}
    )


def percents(counts: np.ndarray) -> np.ndarray:
    """Return each row of counts (N, M) in whole percent of its sum, a half rounded up; 0 of 0."""
    sums = counts.sum(axis=1, keepdims=True).clip(min=1)
    rounded: np.ndarray = (200 * counts + sums) // (2 * sums)
    return rounded


def reliability(logits: Tensor, labels: Tensor) -> pd.DataFrame:
    """Return low, high, images, confidence and accuracy, one row per bin of confidence.

    Confidence and accuracy are means over the images of the bin, or NaN if it is empty. The
    expected calibration error is the mean gap between the two, weighted by the number of images.

    Source: Guo et al. (2017), figure 1.
    """
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    edges = torch.linspace(0, 1, BINS + 1)
    number = (torch.bucketize(confidence, edges, right=True) - 1).clamp(max=BINS - 1)
    answers = pd.DataFrame({"confidence": confidence, "accuracy": (predicted == labels).double()})
    bins = answers.groupby(number.numpy()).mean().reindex(range(BINS))
    bins.insert(0, "low", edges[:-1].numpy())
    bins.insert(1, "high", edges[1:].numpy())
    bins.insert(2, "images", number.bincount(minlength=BINS).numpy())
    return bins


def confident_mistakes(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the indices of the wrong predictions (M,) int64, the most confident first."""
    return _wrong_by(-logits.double().softmax(dim=1).amax(dim=1), logits, labels)


def likely_mislabelled(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the indices of the wrong predictions (M,) int64, the likeliest wrong labels first.

    A label is likely wrong if the network, trained on other images, gives it a low probability.

    Source: Northcutt, Jiang & Chuang (2021), "Confident Learning", section 3.2: self-confidence.
    """
    self_confidence = logits.double().log_softmax(dim=1).gather(1, labels[:, None])
    return _wrong_by(self_confidence[:, 0], logits, labels)


def tabulate(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> tuple[str, str]:
    """Return two tables as CSV, with one row per image and the classes' names.

    Returns:
        index, label, predicted and the probability of each class, to 6 decimals; and, for a
        confusion matrix, actual and predicted.
    """
    names = pd.Series(classes)
    table = pd.DataFrame(logits.softmax(dim=1).numpy(), columns=list(classes))
    table.insert(0, "index", range(len(labels)))
    table.insert(1, "label", names[labels.numpy()].to_numpy())
    table.insert(2, "predicted", names[logits.argmax(dim=1).numpy()].to_numpy())
    confusion = table[["label", "predicted"]].rename(columns={"label": "actual"})
    return (
        table.to_csv(index=False, float_format="%.6f", lineterminator="\n"),
        confusion.to_csv(index=False, lineterminator="\n"),
    )


def _require_finite(logits: Tensor) -> None:
    broken = int((~logits.isfinite()).any(dim=1).sum())
    if broken:
        raise InputError(
            f"the network's answer to {broken} of {len(logits)} images is NaN or infinite, so "
            "nothing is measured: train it again, with a lower learning rate or in float32"
        )


def _wrong_by(score: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the indices of the wrong predictions, the lowest score first, ties in their order.

    Scores are float64: in float32, many confident predictions have a probability of exactly 1.
    """
    wrong = (logits.argmax(dim=1) != labels).nonzero().flatten()
    return wrong[score[wrong].argsort(stable=True)]
