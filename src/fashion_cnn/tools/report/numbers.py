"""Sections on what was measured: the networks side by side, pairs of them, changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.pairwise import compare as compare_models
from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.tools.report.comparison import METRICS, TITLES, Comparison, Metric
from fashion_cnn.tools.report.staleness import parameters
from fashion_cnn.tools.report.statistics import LEVEL, wilson
from fashion_cnn.tools.revision import MissingError, Revision


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
            f"{verdict(found)} All are wrong about {found['all_wrong']:,} of "
            f"{found['images']:,} images."
        )
    except InputError as error:
        return Section("pairs", title, "", [], [str(error)])
    except (KeyError, TypeError, ValueError, AttributeError):
        return Section("pairs", title, "", [], ["metrics/compare_models.json cannot be read"])
    heads = ("Images that one of two alone gets right", "The first", "The second", "p")
    table = Table("McNemar's exact test", heads, rows)
    return Section("pairs", title, lead, [table])


def compared(comparison: Comparison) -> dict[str, Any]:
    """Return how the networks' answers differ: from the predictions at hand, else from the file.

    Raises:
        InputError: there is neither, or the predictions are of different images.
    """
    if set(comparison.predictions) == set(MODELS):
        found = compare_models(
            {
                model: table[["label", "predicted"]].rename(columns={"label": "actual"})
                for model, table in comparison.predictions.items()
            }
        )
    else:
        found = comparison.now.json("metrics/compare_models.json")
    return {**found, **(found.get("details") or [{}])[0]}


def verdict(found: dict[str, Any]) -> str:
    """Say which networks differ by more than the noise of the test images, or that they tie.

    Each p-value is multiplied by their number (Bonferroni): of several tests, one is below 5% by
    chance more often than one test alone.
    """
    better = []
    for pair in found["pairs"]:
        names = TITLES[pair["first"]], TITLES[pair["second"]]
        if pair["p_value"] * len(found["pairs"]) < LEVEL:
            first = pair["first_only_right"] > pair["second_only_right"]
            better.append(" beats ".join(names if first else names[::-1]))
    if not better:
        return (
            "They tie: corrected for the number of tests, no pair differs by more than the noise "
            "of the test images."
        )
    return f"By more than the noise of the test images, {' and '.join(better)}."


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


def _pair(values: dict[str, Any]) -> list[str]:
    names = " and ".join(TITLES[values[side]] for side in ("first", "second"))
    counts = (f"{values[f'{side}_only_right']:,}" for side in ("first", "second"))
    return [names, *counts, p_words(float(values["p_value"]))]


def p_words(value: float, sign: bool = False) -> str:
    """Write a p-value in three digits: 0.031 or, with its sign, p = 0.031."""
    shown = "< 0.001" if value < 0.001 else f"{'= ' if sign else ''}{value:.3f}"
    return f"p {shown}" if sign else shown
