"""Figures of a network's results: confusion, reliability, classes, and wrong predictions."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from fashion_cnn.base.files import written_atomically
from fashion_cnn.dataset.images import Images, displayed
from fashion_cnn.evaluation import measures

# A class may have a name such as $5 to $10, which is no formula.
matplotlib.rcParams["text.parse_math"] = False
# Of a gallery.
ROWS, COLUMNS = 4, 6


def draw(model: str, logits: Tensor, images: Images) -> dict[str, Figure]:
    """Return every figure by its name.

    Args:
        model: for the titles.
        logits: (N, classes) float32, finite.
        images: the N images that the logits are of.
    """
    labels, classes = images.labels, images.classes
    mistakes = measures.confident_mistakes(logits, labels)
    doubtful = measures.likely_mislabelled(logits, labels)
    error = measures.measure(logits, labels)["expected_calibration_error"]
    counts = multiclass_confusion_matrix(logits.argmax(dim=1), labels, len(classes)).numpy()
    surest = f"{model}: the surest of {len(mistakes)} wrong answers"
    likeliest = f"{model}: the likeliest wrong labels, to which it gives the least probability"
    return {
        "confusion_counts": _draw_confusion(counts, classes, f"{model}: test images"),
        "confusion_normalized": _draw_confusion(
            measures.percents(counts), classes, f"{model}: percent of each class's images"
        ),
        "reliability": _draw_reliability(measures.reliability(logits, labels), model, error),
        "classes": _draw_classes(measures.measure_classes(logits, labels, classes), model),
        "confident_mistakes": _draw_gallery(logits, images, mistakes, surest),
        "likely_mislabelled": _draw_gallery(logits, images, doubtful, likeliest),
    }


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write NAME.png for each figure to `folder`, and remove everything else from it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, figure in figures.items():
        with written_atomically(folder / f"{name}.png") as unfinished:
            # matplotlib's version in the metadata would change the bytes, but not the picture.
            figure.savefig(unfinished, format="png", metadata={"Software": None})


def _draw_confusion(values: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw values, actual by predicted class, as coloured squares with numbers."""
    scale = max(1, len(classes) / 12)
    figure = Figure(figsize=(8 * scale, 7 * scale), dpi=120, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(values, cmap="Blues", vmin=0)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="predicted", ylabel="actual", title=title)
    half = values.max() / 2
    for (row, column), value in np.ndenumerate(values):
        if value:
            color = "white" if value > half else "black"
            axes.text(column, row, str(value), color=color, ha="center", va="center", fontsize=8)
    figure.colorbar(picture, ax=axes, shrink=0.8)
    return figure


def _draw_reliability(bins: pd.DataFrame, model: str, error: float) -> Figure:
    """Draw accuracy against confidence above, and the number of images in each bin below."""
    figure = Figure(figsize=(6.4, 6.4), dpi=120, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    width = bins["high"] - bins["low"]
    style = {"width": width, "align": "edge", "edgecolor": "white"}
    upper.bar(bins["low"], bins["accuracy"].fillna(0), **style, color="#1f77b4", label="accuracy")
    means = {"color": "black", "markersize": 4, "label": "at the mean confidence"}
    upper.plot(bins["confidence"], bins["accuracy"], "o", **means)
    upper.plot((0, 1), (0, 1), "--", color="grey", label="perfect calibration")
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    upper.set_title(f"{model}: reliability, expected calibration error {error:.4f}")
    upper.legend(loc="upper left")
    lower.bar(bins["low"], bins["images"], **style, color="#7f7f7f")
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="images")
    return figure


def _draw_classes(classes: pd.DataFrame, model: str) -> Figure:
    """Draw precision, recall and F1 of each class as bars with numbers."""
    figure = Figure(figsize=(8, max(3, 0.8 * len(classes))), dpi=120, layout="constrained")
    axes = figure.subplots()
    names = {"precision": "#9ecae1", "recall": "#4292c6", "f1": "#08306b"}
    for number, (name, color) in enumerate(names.items()):
        rows = np.arange(len(classes)) + 0.27 * (number - 1)
        bars = axes.barh(rows, classes[name], height=0.26, color=color, label=name)
        axes.bar_label(bars, fmt="%.3f", padding=2, fontsize=7)
    count = classes["images"].astype(str)
    axes.set_yticks(range(len(classes)), classes["class"] + "\n" + count + " images", fontsize=8)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.08), title=f"{model}: precision, recall and F1 of each class")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw_gallery(logits: Tensor, images: Images, ranking: Tensor, title: str) -> Figure:
    """Draw the first images of `ranking`, titled with index, label, prediction, probabilities."""
    figure = Figure(figsize=(11, 9), dpi=120)
    figure.suptitle(title)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.88, hspace=0.45)
    probabilities = logits.double().softmax(dim=1)
    shown = ranking[: ROWS * COLUMNS].tolist()
    if not shown:
        figure.text(0.5, 0.5, f"every one of {len(images)} images is answered right", ha="center")
    for position, index in enumerate(shown, start=1):
        label, predicted = int(images.labels[index]), int(logits[index].argmax())
        axes = figure.add_subplot(ROWS, COLUMNS, position)
        axes.imshow(displayed(images.pixels[index]), cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        of_label, of_predicted = probabilities[index, [label, predicted]].mul(100).tolist()
        axes.set_title(
            f"test image {index}\nlabel: {images.classes[label]}, {of_label:.2g}%\n"
            f"predicted: {images.classes[predicted]}, {of_predicted:.2f}%",
            fontsize=7.5,
        )
    return figure
