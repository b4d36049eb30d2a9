"""The networks' numbers at two revisions, each with what can be said of its change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report.revision import MissingError, Revision
from fashion_cnn.tools.report.statistics import Change, Predictions, adjusted, by_intervals, paired

TITLES = {"lenet": "LeNet", "vgg": "Reduced VGG", "vgg11": "VGG-11"}


@dataclass(frozen=True)
class Metric:
    """A number of a network: its name in the file, its title, its unit, and what is better."""

    name: str
    title: str
    unit: str  # share, nats, count or bytes
    better: int = 0  # 1 for more, -1 for less, 0 for neither

    def show(self, value: float | None) -> str:
        """Write a value in few digits."""
        if value is None:
            return "–"
        if self.unit == "share":
            return f"{100 * value:.2f}%"
        if self.unit == "nats":
            return f"{value:.4f}"
        return (short(value) + ("B" if self.unit == "bytes" else "")).strip()

    def show_difference(self, value: float) -> str:
        """Write a difference with its sign."""
        sign = "+" if value > 0 else "−"
        if value == 0:
            return "±0"
        if self.unit == "share":
            return f"{sign}{100 * abs(value):.2f} points"
        return sign + self.show(abs(value))


METRICS = (
    Metric("accuracy", "Test accuracy", "share", 1),
    Metric("macro_f1", "Macro F1", "share", 1),
    Metric("top_2_accuracy", "Top-2 accuracy", "share", 1),
    Metric("loss", "Negative log-likelihood, nats", "nats", -1),
    Metric("expected_calibration_error", "Expected calibration error", "share", -1),
    Metric("validation_accuracy", "Validation accuracy", "share", 1),
    Metric("validation_loss", "Validation loss, nats", "nats", -1),
    Metric("parameters", "Parameters", "count"),
    Metric("multiply_accumulates", "Multiply-accumulates an image", "count"),
    Metric("weight_bytes", "Size of the weights", "bytes"),
)
# Each share and the number of images that it is of.
SHARES = {
    "accuracy": "images",
    "top_2_accuracy": "images",
    "validation_accuracy": "validation_images",
}


@dataclass(frozen=True)
class Comparison:
    """Two revisions, and the metrics and changes of each network."""

    now: Revision
    baseline: Revision
    metrics: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, Mapping[str, Any]]
    predictions: Mapping[str, Predictions]
    changes: Mapping[str, Mapping[str, Change]]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether there is nothing to compare."""
        return self.now.same_as(self.baseline)


def compare(now: Revision, baseline: Revision) -> Comparison:
    """Read both revisions' metrics and predictions, and test each network's changes."""
    notes: list[str] = []
    after_files, before_files = (_predictions(revision, notes) for revision in (now, baseline))
    metrics, before = _metrics(now), _metrics(baseline)
    changes = {
        model: _changes(
            before[model], metrics[model], before_files.get(model), after_files.get(model)
        )
        for model in MODELS
    }
    flat = [(model, name) for model in changes for name in changes[model]]
    tested = adjusted([changes[model][name] for model, name in flat])
    for (model, name), change in zip(flat, tested, strict=True):
        changes[model][name] = change
    return Comparison(now, baseline, metrics, before, after_files, changes, tuple(notes))


def short(value: float) -> str:
    """Write a count in three digits: 44.4 k, 129 M."""
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power:
            scaled = value / power
            return f"{scaled:.{0 if scaled >= 100 else 1}f} {letter}"
    return f"{value:.0f} "


def _metrics(revision: Revision) -> dict[str, dict[str, Any]]:
    """Return each network's metrics on the test images and, named so, on the validation images."""
    try:
        kept = revision.yaml("params.yaml")["dataset"]["validation_images"]
    except (MissingError, KeyError, TypeError):
        kept = None
    found = {}
    for model in MODELS:
        trained = revision.metrics(f"metrics/train/{model}.json")
        validated = {name: value for name, value in trained.items() if name.startswith("valid")}
        images = {} if kept is None else {"validation_images": kept}
        found[model] = revision.metrics(f"metrics/evaluate/{model}.json") | validated | images
    return found


def _predictions(revision: Revision, notes: list[str]) -> dict[str, Predictions]:
    found = {}
    for model in MODELS:
        try:
            table = revision.csv(f"data/predictions/{model}.csv", ["label", "predicted"])
            found[model] = Predictions.of(table)
        except MissingError as missing:
            notes.append(str(missing))
        except ValueError:
            notes.append(f"data/predictions/{model}.csv of {revision.title} cannot be read")
    return found


def _changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    old: Predictions | None,
    new: Predictions | None,
) -> dict[str, Change]:
    both = [metric for metric in METRICS if metric.name in before and metric.name in after]
    tests = paired(old, new) if old and new and old.same_images(new) else {}
    changes = {}
    for metric in both:
        values = before[metric.name], after[metric.name]
        if metric.better == 0:
            changes[metric.name] = Change(*values, "a count, not an estimate")
        elif metric.name in tests:
            # The file's own digits; the tests have them from probabilities in six decimals.
            changes[metric.name] = replace(tests[metric.name], before=values[0], after=values[1])
        elif (of := SHARES.get(metric.name, "")) in before and of in after:
            changes[metric.name] = by_intervals(*values, (int(before[of]), int(after[of])))
        else:
            changes[metric.name] = Change(*values, "not tested")
    return changes
