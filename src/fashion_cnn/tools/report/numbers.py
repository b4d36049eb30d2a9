"""Sections on what was measured: the networks side by side, pairs of them, changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy.stats import false_discovery_control

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.pairwise import compare as compare_models
from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.tools.report.compare import METRICS, TITLES, Comparison, Metric
from fashion_cnn.tools.report.staleness import parameters
from fashion_cnn.tools.report.statistics import LEVEL, Change, wilson
from fashion_cnn.tools.revision import MissingError, Revision

SHARE = {metric.name: metric for metric in METRICS}["accuracy"]


def networks(comparison: Comparison) -> Section:
    """Return what the networks are, how well each does, and how sure that is."""
    now = comparison.now
    rows: list[tuple[str, list[charts.Dot]]] = []
    notes = list(comparison.warnings)
    for model, values in comparison.metrics.items():
        if "accuracy" not in values:
            stage = f"evaluate@{model}"
            notes.append(
                f"The accuracy of {TITLES[model]} is not in {now.title}: dvc repro {stage}"
            )
            continue
        dots = [_dot(values, model, now.title)]
        if not comparison.same and "accuracy" in comparison.before[model]:
            dots.append(_dot(comparison.before[model], "before", comparison.baseline.title))
        rows.append((TITLES[model], dots))
    figures: list[Chart | Table] = []
    if rows:
        span = [v for _, dots in rows for dot in dots for v in (dot.low or 0, dot.high or 0)]
        words = "; ".join(f"{name} {100 * dots[0].value:.2f}%" for name, dots in rows)
        figures.append(
            Chart(
                caption="Accuracy on the test images, with its 95% interval",
                label=f"Test accuracy: {words}",
                svg=charts.dots(rows, "test accuracy", span),
                key=() if comparison.same else [("before", comparison.baseline.title)],
            )
        )
    table = _built(now)
    for metric in METRICS:
        table.append([metric.title, *(_cell(comparison, model, metric) for model in MODELS)])
    measured = comparison.metrics.values()
    table.append(["Epochs", *(str(values.get("epoch", "–")) for values in measured)])
    table.append(["Precision", *map(_precision, measured)])
    figures.append(Table("The networks side by side", ("", *TITLES.values()), table))
    lead = (
        "LeNet is a small network of 1998, the reduced VGG a narrow one in the manner of 2014, "
        "VGG-11 its full-width original. All had the same images; the test images are read once."
    )
    return Section("networks", "The networks", lead, figures, notes)


def pairs(comparison: Comparison) -> Section:
    """Return McNemar's test between the networks."""
    title = "Does one beat another?"
    try:
        found = compared(comparison)
        rows = [_pair(values) for values in found["pairs"]]
        lead = (
            f"{verdict(found)} Drawn are the images that exactly one of two networks gets right. "
            f"All are wrong about {found['all_wrong']:,} of {found['images']:,} images."
        )
    except InputError as error:
        return Section("pairs", title, "", [], [str(error)])
    except (KeyError, TypeError, ValueError, AttributeError):
        return Section("pairs", title, "", [], ["metrics/compare_models.json cannot be read"])
    chart = Chart(
        caption="Images that one network alone gets right",
        label="McNemar's test: " + "; ".join(row.tip.replace("\n", ", ") for row in rows),
        svg=charts.pairs(rows),
    )
    table = Table(
        "McNemar's exact test",
        ("Networks", "First alone right", "Second alone right", "p"),
        [
            (
                " and ".join(row.names),
                *(f"{count:,}" for count in row.counts),
                _p(float(values["p_value"])),
            )
            for row, values in zip(rows, found["pairs"], strict=True)
        ],
    )
    return Section("pairs", title, lead, [chart, table])


def compared(comparison: Comparison) -> dict[str, Any]:
    """Return how the networks' answers differ: from the predictions at hand, else from the file.

    Raises:
        InputError: there is neither, or the predictions are of different images.
    """
    if set(comparison.predictions) == set(MODELS):
        tables = {
            model: pd.DataFrame({"actual": answers.labels, "predicted": answers.answers})
            for model, answers in comparison.predictions.items()
        }
        found = compare_models(tables)
    else:
        found = comparison.now.json("metrics/compare_models.json")
    return {**found, **(found.get("details") or [{}])[0]}


def verdict(found: dict[str, Any]) -> str:
    """Say which networks differ by more than the noise of the test images, or that they tie.

    The p-values are adjusted for their number, as several tests find something more often than one.
    """
    better = []
    p_values = false_discovery_control([pair["p_value"] for pair in found["pairs"]])
    for pair, p_value in zip(found["pairs"], p_values, strict=True):
        names = TITLES[pair["first"]], TITLES[pair["second"]]
        if p_value < LEVEL:
            first = pair["first_only_right"] > pair["second_only_right"]
            better.append(" beats ".join(names if first else names[::-1]))
    if not better:
        return "They tie: no pair differs by more than the noise of the test images."
    return f"By more than the noise of the test images, {' and '.join(better)}."


def changes(comparison: Comparison) -> Section:
    """Return each number's change against the baseline, and whether it is more than noise."""
    if comparison.same:
        lead = (
            "The baseline is this very commit: nothing differs. Name another with --baseline, or "
            "make report BASELINE=..."
        )
        return Section("changes", "What changed", lead, [])
    differ = ", ".join(comparison.differences[:3]) or "nothing that a result depends on"
    more = len(comparison.differences) - 3
    title = f"What changed: {differ}" + (f", and {more} more" if more > 0 else "")
    lead = (
        f"Against {comparison.baseline.title}. "
        "More than noise: unlikely (5%, adjusted for the number of tests) if both revisions were "
        "equally good, by a test paired by image where both revisions' predictions are in the "
        "cache, else where 95% intervals do not overlap. The noise is that of the images; another "
        "seed would add its own."
    )
    rows = []
    for model, found in comparison.changes.items():
        change = found.get("accuracy")
        if change and change.low is not None and change.high is not None:
            tip = f"{_points(change.difference)} ({_points(change.low)} to {_points(change.high)})"
            dot = charts.Dot(model, model, change.difference, change.low, change.high, tip)
            rows.append((TITLES[model], [dot]))
    figures: list[Chart | Table] = [_changes(comparison)]
    if rows:
        ends = [v for _, (dot,) in rows for v in (dot.low or 0.0, dot.high or 0.0)]
        figures.insert(
            0,
            Chart(
                caption="Change in test accuracy, with its 95% interval",
                label="Change in test accuracy: "
                + "; ".join(f"{name} {dot.tip}" for name, (dot,) in rows),
                # Never so near that a tenth of a point looks like much.
                svg=charts.dots(rows, "change in accuracy", [-0.005, 0.005, *ends], zero=True),
            ),
        )
    return Section("changes", title, lead, figures, comparison.notes)


def _changes(comparison: Comparison) -> Table:
    rows: list[tuple[str | Cell, ...]] = []
    for metric in METRICS:
        cells = []
        for found in comparison.changes.values():
            change = found.get(metric.name)
            cells.append(_change(metric, change) if change else Cell("–"))
        rows.append((metric.title, *cells))
    return Table("Every number's change", ("", *TITLES.values()), rows)


def _change(metric: Metric, change: Change) -> Cell:
    before, after = metric.show(change.before), metric.show(change.after)
    below = change.verdict
    if change.p_value is not None and change.difference:
        below += f", {_p(change.p_value, sign=True)}"
    return Cell(
        metric.show_difference(change.difference),
        below,
        _mark(metric, change),
        f"{before} to {after}; {change.test}",
    )


def _mark(metric: Metric, change: Change) -> str:
    if not change.significant or not metric.better or not change.difference:
        return ""
    return "better" if change.difference * metric.better > 0 else "worse"


def _cell(comparison: Comparison, model: str, metric: Metric) -> Cell:
    values = comparison.metrics[model]
    value = values.get(metric.name)
    low, high = values.get(f"{metric.name}_low"), values.get(f"{metric.name}_high")
    below = "" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"
    exact = "" if value is None else f"{value:,}"
    return Cell(metric.show(value), below, title=exact)


def _built(revision: Revision) -> list[list[Cell | str]]:
    """Return how each network is built, from the table of its layers; nothing without it."""
    rows: list[list[Cell | str]] = [
        ["Layers with weights"],
        ["A unit of the last convolution sees"],
    ]
    values = parameters(revision)
    for model in MODELS:
        try:
            layers = revision.layers(model)
        except MissingError:
            layers = []
        convolutions = [row for row in layers if row["kind"] == "Conv2d"]
        dense = sum(row["kind"].endswith("Linear") for row in layers)
        rows[0].append(f"{len(convolutions)} convolutional, {dense} dense" if layers else "–")
        fields = [row["receptive_field"] for row in convolutions]
        rows[1].append(seen(fields[-1] or [], values.get(f"{model}.image_size")) if fields else "–")
    return rows if any(cell != "–" for row in rows for cell in row[1:]) else []


def seen(pixels: Sequence[int], image_size: object) -> str:
    """Say of how many pixels a receptive field is, or that it is all of them."""
    if isinstance(image_size, int) and pixels and min(pixels) >= image_size:
        return "the whole image"
    return " x ".join(map(str, pixels)) + " pixels" if pixels else "–"


def _precision(values: Mapping[str, Any]) -> Cell:
    trained, evaluated = (
        (values.get(name) or {}).get("precision") for name in ("made_with", "evaluated_with")
    )
    words = "trained and evaluated in it" if evaluated == trained else f"evaluated in {evaluated}"
    return Cell(trained or "–", words if evaluated else "")


def _dot(values: Mapping[str, Any], color: str, title: str) -> charts.Dot:
    low, high = values.get("accuracy_low"), values.get("accuracy_high")
    if low is None or high is None:
        low, high = wilson(values["accuracy"], int(values["images"]))
    tip = f"{title}: {100 * values['accuracy']:.2f}% ({100 * low:.2f} to {100 * high:.2f})"
    return charts.Dot(title, color, values["accuracy"], low, high, tip)


def _pair(values: dict[str, Any]) -> charts.Pair:
    first, second = values["first"], values["second"]
    names = TITLES[first], TITLES[second]
    counts = int(values["first_only_right"]), int(values["second_only_right"])
    alone = ", ".join(f"{name} alone right: {n:,}" for name, n in zip(names, counts, strict=True))
    p_value = float(values["p_value"])
    tip = f"{alone}\n{_p(p_value, sign=True)}"
    return charts.Pair(names, (first, second), counts, tip)


def _points(difference: float) -> str:
    return SHARE.show_difference(difference)


def _p(value: float, sign: bool = False) -> str:
    shown = "< 0.001" if value < 0.001 else f"{'= ' if sign else ''}{value:.3f}"
    return f"p {shown}" if sign else shown
