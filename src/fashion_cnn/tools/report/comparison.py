"""The networks' numbers at two revisions, and whether each change is more than noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report import staleness
from fashion_cnn.tools.report.statistics import (
    Change,
    adjusted,
    by_intervals,
    classes_of,
    paired,
)
from fashion_cnn.tools.revision import MissingError, Revision

Found = TypeVar("Found")
# Of each network, by its name; no stage reads them, so that a change of one runs none.
TITLES = dict(zip(MODELS, MODELS, strict=True)) | {
    "lenet": "LeNet",
    "vgg": "Reduced VGG",
    "vgg11": "VGG-11",
}


@dataclass(frozen=True)
class Metric:
    """A number of a network: its name in the file, its title, its unit, and which way is better."""

    name: str
    title: str
    unit: str  # share, nats, count or bytes
    better: int = 0  # 1 for more, -1 for less, 0 for neither
    counted_on: str = ""  # of a share: the name of its number of images

    def show(self, value: float | None) -> str:
        """Return a value in a few digits, with its unit."""
        if value is None:
            return "–"
        if self.unit == "share":
            return f"{100 * value:.2f}%"
        if self.unit == "nats":
            return f"{value:.4f}"
        return (short(value) + ("B" if self.unit == "bytes" else "")).strip()

    def show_difference(self, value: float) -> str:
        """Return a difference with its sign."""
        sign = "+" if value > 0 else "−"
        if value == 0:
            return "±0"
        if self.unit == "share":
            return f"{sign}{100 * abs(value):.2f} points"
        return sign + self.show(abs(value))


METRICS = (
    Metric("accuracy", "Test accuracy", "share", 1, "images"),
    Metric("macro_f1", "Macro F1", "share", 1),
    Metric("top_2_accuracy", "Top-2 accuracy", "share", 1, "images"),
    Metric("loss", "Negative log-likelihood, nats", "nats", -1),
    Metric("expected_calibration_error", "Expected calibration error", "share", -1),
    Metric("validation_accuracy", "Validation accuracy", "share", 1, "validation_images"),
    Metric("validation_loss", "Validation loss, nats", "nats", -1),
    Metric("parameters", "Parameters", "count"),
    Metric("multiply_accumulates", "Multiply-accumulates per image", "count"),
    Metric("weight_bytes", "Size of the weights", "bytes"),
)


@dataclass(frozen=True)
class Comparison:
    """Two revisions, with each network's metrics at both and the changes between them."""

    now: Revision
    baseline: Revision
    metrics: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, Mapping[str, Any]]
    predictions: Mapping[str, pd.DataFrame]
    old_predictions: Mapping[str, pd.DataFrame]
    changes: Mapping[str, Mapping[str, Change]]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    """What is stale: not shown, or shown though files have changed since."""
    differences: tuple[str, ...]
    """What differs between the revisions: parameters, code, data."""

    @property
    def same(self) -> bool:
        """Whether there is nothing to compare."""
        return self.now.same_as(self.baseline)

    def sides(self) -> list[tuple[Revision, str]]:
        """The revisions to show, each with what its captions add to the network's name."""
        return [(self.now, "")] + ([] if self.same else [(self.baseline, " (baseline)")])


def compare(now: Revision, baseline: Revision) -> Comparison:
    """Read both revisions' metrics and predictions, and test each network's changes."""
    notes: list[str] = []
    revisions = (now,) if now.same_as(baseline) else (now, baseline)
    warnings = [line for each in revisions for line in staleness.withhold(each)]
    predictions, old_predictions = (_predictions(each, notes) for each in (now, baseline))
    metrics, before = (_numbers(each, notes) for each in (now, baseline))
    changes = {
        model: _changes(
            before[model], metrics[model], old_predictions.get(model), predictions.get(model)
        )
        for model in MODELS
    }
    flat = [(model, name) for model in changes for name in changes[model]]
    tested = adjusted([changes[model][name] for model, name in flat])
    for (model, name), change in zip(flat, tested, strict=True):
        changes[model][name] = change
    return Comparison(
        now,
        baseline,
        metrics,
        before,
        predictions,
        old_predictions,
        changes,
        tuple(notes),
        tuple(warnings),
        tuple(staleness.differences(now, baseline)),
    )


def short(value: float) -> str:
    """Return a count in three digits: 44.4 k, 129 M."""
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power:
            scaled = value / power
            return f"{scaled:.{0 if scaled >= 100 else 1}f} {letter}"
    return f"{value:.0f} "


def _numbers(revision: Revision, notes: list[str]) -> dict[str, dict[str, Any]]:
    """Return each network's numbers, and how many images its validation was on."""
    count = staleness.parameters(revision).get("dataset.validation_images")
    images = {} if count is None else {"validation_images": count}
    found = _of_each(revision.numbers, notes)
    return {model: found.get(model, {}) | images for model in MODELS}


def _predictions(revision: Revision, notes: list[str]) -> dict[str, pd.DataFrame]:
    def read(model: str) -> pd.DataFrame:
        path = f"data/predictions/{model}.csv"
        table = revision.csv(path, ["label", "predicted"])
        with revision.parsing(path):
            classes_of(table)
        return table

    return _of_each(read, notes)


def _of_each(read: Callable[[str], Found], notes: list[str]) -> dict[str, Found]:
    """Return what is read of each model; add a note for what is missing."""
    found = {}
    for model in MODELS:
        try:
            found[model] = read(model)
        except MissingError as missing:
            notes.append(str(missing))
    return found


def _changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    old: pd.DataFrame | None,
    new: pd.DataFrame | None,
) -> dict[str, Change]:
    tests = {} if old is None or new is None else paired(old, new)
    changes = {}
    for metric in METRICS:
        if metric.name not in before or metric.name not in after:
            continue
        values = before[metric.name], after[metric.name]
        if metric.better == 0:
            changes[metric.name] = Change(*values, "a count, not an estimate")
        elif found := tests.get(metric.name):
            changes[metric.name] = Change(*values, found.name, found.p_value, found.low, found.high)
        elif (images := metric.counted_on) in before and images in after:
            changes[metric.name] = by_intervals(*values, (int(before[images]), int(after[images])))
        else:
            changes[metric.name] = Change(*values, "not tested")
    return changes
