"""Sections on what was measured: changes, networks, curves, confusion, classes, calibration."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fashion_cnn.dataset import CLASSES
from fashion_cnn.project import TRAINED_BY
from fashion_cnn.report import charts
from fashion_cnn.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.report.compare import METRICS, TITLES, Comparison, Metric
from fashion_cnn.report.revision import MissingError, Revision
from fashion_cnn.report.statistics import LEVEL, Change, reliability

COLUMNS = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
MEASURES = {
    "f1": "both in one, their harmonic mean",
    "precision": "of the images it calls so, those that are",
    "recall": "of the images that are so, those it finds",
}
MEASURES_TITLES = {"f1": "F1", "precision": "Precision", "recall": "Recall"}
SHARE = {metric.name: metric for metric in METRICS}["accuracy"]


def changes(comparison: Comparison) -> Section:
    """Return each number's change against the baseline, and whether it is more than noise."""
    title = f"Against {comparison.baseline.title}"
    if comparison.same:
        lead = (
            "The baseline is this very commit: nothing differs. Name another with --baseline, or "
            "make report BASELINE=..."
        )
        return Section("changes", title, lead, [_changes(comparison)], [])
    lead = (
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


def networks(comparison: Comparison) -> Section:
    """Return the networks' numbers side by side."""
    now = comparison.now
    rows: list[list[Cell | str]] = [
        [metric.title, *(_cell(comparison, model, metric) for model in TRAINED_BY)]
        for metric in METRICS
    ]
    notes = []
    if now.is_workspace:
        rows += _speeds(now)
    else:
        notes.append("Seconds and images a second differ from run to run: no commit holds them")
    lead = "The same test images for all three, read once, in evaluate."
    table = Table("The networks side by side", ("", *TITLES.values()), rows)
    return Section("networks", "Three networks side by side", lead, [table], notes)


def curves(comparison: Comparison) -> Section:
    """Return the loss and the accuracy of training, epoch by epoch."""
    now, notes = comparison.now, []
    found = {}
    for revision in (now,) if comparison.same else (now, comparison.baseline):
        for model in TRAINED_BY:
            try:
                path = f"plots/training/{model}.csv"
                table = revision.csv(path, ["epoch", *COLUMNS])
                found[model, revision is now] = table.dropna().reset_index(drop=True)
            except MissingError as missing:
                notes.append(str(missing))
    figures = []
    for what, title in (("loss", "mean cross-entropy, nats"), ("accuracy", "accuracy")):
        columns = [f"train_{what}", f"validation_{what}"]
        span = [v for table in found.values() for v in table[columns].to_numpy().ravel()]
        for model in TRAINED_BY:
            if len(found.get((model, True), ())):
                old = found.get((model, False))
                figures.append(_curve(model, what, title, found[model, True], old, span))
    lead = "Training is measured while the weights still move, validation after each epoch."
    return Section("curves", "Training", lead, figures, notes)


def confusion(revision: Revision) -> Section:
    """Return what each class was taken for."""
    figures, notes = [], []
    for model, title in TITLES.items():
        try:
            table = revision.csv(f"plots/confusion/{model}.csv", ["actual", "predicted"])
        except MissingError as missing:
            notes.append(str(missing))
            continue
        counted = pd.crosstab(table["actual"], table["predicted"])
        counts = counted.reindex(index=CLASSES, columns=CLASSES, fill_value=0).to_numpy()
        errors = counts * (1 - np.eye(len(CLASSES), dtype=int))
        row, column = np.unravel_index(errors.argmax(), errors.shape)
        most = f"{CLASSES[row]} taken for {CLASSES[column]}, {errors[row, column]:,} times"
        rows = [[name, *map(str, line)] for name, line in zip(CLASSES, counts, strict=True)]
        figures.append(
            Chart(
                caption=f"{title}: percent of each class",
                label=f"Confusion of {title}. Most often: {most}",
                svg=charts.confusion(counts, CLASSES),
                values=Table(f"{title}: images, actual by predicted", ("", *CLASSES), rows),
            )
        )
    lead = "A row is what the image is, a column what the network says; errors are tinted warm."
    return Section("confusion", "What is taken for what", lead, figures, notes)


def classes(revision: Revision) -> Section:
    """Return precision, recall and F1 of each class."""
    notes, tables = [], {}
    for model in TRAINED_BY:
        try:
            table = revision.csv(f"plots/classes/{model}.csv", ["class", *MEASURES])
            # Of a class that is never named, the precision counts as 0.
            tables[model] = table.set_index("class")[list(MEASURES)].fillna(0.0)
        except MissingError as missing:
            notes.append(str(missing))
    figures = []
    span = [float(table.to_numpy().min()) for table in tables.values()] + [1.0]
    for measure, meaning in MEASURES.items() if tables else ():
        names = next(iter(tables.values())).index
        rows = [
            (
                name,
                [
                    _class_dot(model, float(table[measure].get(name, math.nan)))
                    for model, table in tables.items()
                ],
            )
            for name in names
        ]
        worst = min(rows, key=lambda row: min(dot.value for dot in row[1]))[0]
        cells = [[name, *(f"{100 * dot.value:.1f}%" for dot in dots)] for name, dots in rows]
        heads = ("", *(TITLES[model] for model in tables))
        figures.append(
            Chart(
                caption=f"{MEASURES_TITLES[measure]}: {meaning}",
                label=f"{MEASURES_TITLES[measure]} by class and network; lowest for {worst}",
                svg=charts.dots(rows, measure, span),
                values=Table(f"{MEASURES_TITLES[measure]} by class", heads, cells),
                key=[(model, TITLES[model]) for model in tables],
            )
        )
    lead = "Which classes are hard, and for whom."
    return Section("classes", "Class by class", lead, figures, notes)


def calibration(comparison: Comparison) -> Section:
    """Return accuracy against confidence."""
    figures = []
    for model, predictions in comparison.predictions.items():
        table = reliability(predictions)
        bins = [
            (float(confidence), float(accuracy), int(images))
            for confidence, accuracy, images in table.itertuples(index=False)
        ]
        error = comparison.metrics[model].get("expected_calibration_error")
        said = "" if error is None else f", expected error {100 * error:.2f}%"
        rows = [
            [
                f"to {100 * (number + 1) / len(bins):.0f}%",
                f"{count:,}",
                *("–" if not count else f"{100 * share:.1f}%" for share in (confidence, accuracy)),
            ]
            for number, (confidence, accuracy, count) in enumerate(bins)
        ]
        heads = ("Confidence", "Images", "Mean confidence", "Accuracy")
        figures.append(
            Chart(
                caption=f"{TITLES[model]}{said}",
                label=f"Accuracy by confidence of {TITLES[model]}{said}",
                svg=charts.reliability(bins),
                values=Table(f"{TITLES[model]}: accuracy by confidence", heads, rows),
            )
        )
    lead = (
        "Of the answers given with 90% confidence, 90% should be right: bars on the dashed line. "
        "Dots are the confidence itself; bins of fewer than 30 images are faint."
    )
    notes = [note for note in comparison.notes if comparison.now.title in note]
    return Section("calibration", "How sure they are", lead, figures, notes)


def pairs(revision: Revision) -> Section:
    """Return McNemar's test between the networks."""
    title = "One network against another"
    try:
        found = revision.json("metrics/compare_models.json")
        read = [(*name.split("_"), values) for name, values in found["pairs"].items()]
        rows = [_pair(first, second, values) for first, second, values in read]
        lead = (
            "Of the images that exactly one of two networks gets right, how many each does. "
            f"All three are wrong about {found['all_wrong']:,} of {found['images']:,} images."
        )
    except MissingError as missing:
        return Section("pairs", title, "", [], [str(missing)])
    except (KeyError, TypeError, ValueError, AttributeError):
        return Section("pairs", title, "", [], ["metrics/compare_models.json cannot be read"])
    chart = Chart(
        caption="Images that one network alone gets right",
        label="McNemar's test: " + "; ".join(row.verdict.replace("\n", ", ") for row in rows),
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
            for row, (_, _, values) in zip(rows, read, strict=True)
        ],
    )
    return Section("pairs", title, lead, [chart, table])


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


def _speeds(revision: Revision) -> list[list[Cell | str]]:
    """Return what runs/ holds of the last training and evaluation."""
    rows: list[list[Cell | str]] = [
        ["Training, seconds"],
        ["Evaluation, images a second"],
        ["One image, milliseconds"],
    ]
    for model in TRAINED_BY:
        try:
            seconds = sum(row["seconds"] for row in revision.json(f"runs/{model}/timing.json"))
            rows[0].append(f"{seconds:,.0f}")
        except (MissingError, KeyError, TypeError):
            rows[0].append("–")
        speed: dict[str, Any] = revision.metrics(f"runs/{model}/evaluate.json")
        many, one = speed.get("images_per_second"), speed.get("milliseconds_per_image")
        rows[1].append("–" if many is None else f"{many:,.0f}")
        rows[2].append("–" if one is None else f"{one:.2f}")
    return [row for row in rows if set(row[1:]) != {"–"}]


def _curve(
    model: str,
    what: str,
    y_title: str,
    table: pd.DataFrame,
    before: pd.DataFrame | None,
    span: Sequence[float],
) -> Chart:
    percent = what == "accuracy"
    lines = []
    for when, style, source in (("baseline, ", " before", before), ("", "", table)):
        for part, kind in (("training", "train"), ("validation", model)):
            if source is None or not len(source):
                continue
            column = f"{'train' if part == 'training' else part}_{what}"
            epochs, values = source["epoch"].tolist(), source[column].tolist()
            line = charts.Line(f"{when}{part}", kind + style, epochs, values)
            lines.append(line)
    key = [(model, "validation"), ("train", "training")]
    if before is not None and len(before):
        key.append(("before", "baseline"))
    last = table.iloc[-1]
    final = last[f"validation_{what}"]
    said = f"{100 * final:.2f}%" if percent else f"{final:.4f}"
    rows = [
        [f"{epoch:g}", f"{training:.4f}", f"{validation:.4f}"]
        for epoch, training, validation in table[
            ["epoch", f"train_{what}", f"validation_{what}"]
        ].itertuples(index=False)
    ]
    name = f"{TITLES[model]}: {what}"
    return Chart(
        caption=f"{name}, {said} at the end",
        label=f"{name} by epoch. Validation ends at {said} after epoch {last['epoch']:g}",
        svg=charts.lines(lines, "epoch", y_title, span, percent),
        values=Table(f"{name} by epoch", ("Epoch", "Training", "Validation"), rows),
        key=key,
        mark="line",
    )


def _class_dot(model: str, value: float) -> charts.Dot:
    return charts.Dot(model, model, value, tip=f"{TITLES[model]}: {100 * value:.1f}%")


def _pair(first: str, second: str, values: dict[str, Any]) -> charts.Pair:
    names = TITLES[first], TITLES[second]
    counts = int(values["first_only_right"]), int(values["second_only_right"])
    alone = ", ".join(f"{name} alone right: {n:,}" for name, n in zip(names, counts, strict=True))
    p_value = float(values["p_value"])
    verdict = "more than noise" if p_value < LEVEL else "within noise"
    tip = f"{alone}\n{verdict}, {_p(p_value, sign=True)}"
    return charts.Pair(names, (first, second), counts, tip)


def _points(difference: float) -> str:
    return SHARE.show_difference(difference)


def _p(value: float, sign: bool = False) -> str:
    shown = "< 0.001" if value < 0.001 else f"{'= ' if sign else ''}{value:.3f}"
    return f"p {shown}" if sign else shown
