"""Sections of diagrams: training curves, classes."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Chart, Section, Table
from fashion_cnn.tools.report.comparison import TITLES, Comparison
from fashion_cnn.tools.revision import MissingError

COLUMNS = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
MEASURES = {
    "f1": "both in one, their harmonic mean",
    "precision": "of the images it calls so, those that are",
    "recall": "of the images that are so, those it finds",
}
MEASURES_TITLES = {"f1": "F1", "precision": "Precision", "recall": "Recall"}


def curves(comparison: Comparison) -> Section:
    """Return the loss and the accuracy of training, epoch by epoch."""
    now, notes = comparison.now, []
    found = {}
    for revision in (now,) if comparison.same else (now, comparison.baseline):
        for model in MODELS:
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
        for model in MODELS:
            if len(found.get((model, True), ())):
                old = found.get((model, False))
                figures.append(_curve(model, what, title, found[model, True], old, span))
    lead = "Training is measured while the weights still move, validation after each epoch."
    return Section("curves", "Training", lead, figures, notes)


def classes(comparison: Comparison) -> Section:
    """Return precision, recall and F1 of each class, in both revisions where they differ."""
    figures: list[Chart] = []
    notes: list[str] = []
    drawn: list[dict[str, pd.DataFrame]] = []
    for revision, side in comparison.sides():
        tables = {}
        for model in MODELS:
            try:
                table = revision.csv(f"plots/classes/{model}.csv", ["class", *MEASURES])
                # Of a class that is never named, the precision counts as 0.
                tables[model] = table.set_index("class")[list(MEASURES)].fillna(0.0)
            except MissingError as missing:
                notes.append(str(missing))
        again = drawn and all(
            model in drawn[0] and table.equals(drawn[0][model]) for model, table in tables.items()
        )
        if tables and not again:
            drawn.append(tables)
            figures += _class_charts(tables, side)
    lead = "Which classes are hard, and for whom."
    return Section("classes", "Class by class", lead, figures, notes)


def _class_charts(tables: Mapping[str, pd.DataFrame], side: str) -> list[Chart]:
    figures = []
    span = [float(table.to_numpy().min()) for table in tables.values()] + [1.0]
    for measure, meaning in MEASURES.items():
        names = next(iter(tables.values())).index
        rows = [
            (name, [_class_dot(*each, measure, name) for each in tables.items()]) for name in names
        ]
        worst = min(rows, key=lambda row: min(dot.value for dot in row[1]))[0]
        cells = [[name, *(f"{100 * dot.value:.1f}%" for dot in dots)] for name, dots in rows]
        heads = ("", *(TITLES[model] for model in tables))
        title = f"{MEASURES_TITLES[measure]}{side}"
        figures.append(
            Chart(
                caption=f"{title}: {meaning}",
                label=f"{title} by class and network; lowest for {worst}",
                svg=charts.dots(rows, measure, span),
                values=Table(f"{title} by class", heads, cells),
                key=[(model, TITLES[model]) for model in tables],
            )
        )
    return figures


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
    for when, source in (("baseline, ", before), ("", table)):
        for part, kind in (("training", "train"), ("validation", model)):
            if source is None or not len(source):
                continue
            column = f"{'train' if part == 'training' else part}_{what}"
            epochs, values = source["epoch"].tolist(), source[column].tolist()
            line = charts.Line(f"{when}{part}", kind, epochs, values, dashed=bool(when))
            lines.append(line)
    key = [(model, "validation"), ("train", "training")]
    if before is not None and len(before):
        key.append(("before", "baseline"))
    last = table.iloc[-1]
    final = last[f"validation_{what}"]
    shown = f"{100 * final:.2f}%" if percent else f"{final:.4f}"
    rows = [
        [f"{epoch:g}", f"{training:.4f}", f"{validation:.4f}"]
        for epoch, training, validation in table[
            ["epoch", f"train_{what}", f"validation_{what}"]
        ].itertuples(index=False)
    ]
    name = f"{TITLES[model]}: {what}"
    return Chart(
        caption=f"{name}, {shown} at the end",
        label=f"{name} by epoch. Validation ends at {shown} after epoch {last['epoch']:g}",
        svg=charts.curves(lines, "epoch", y_title, span, percent),
        values=Table(f"{name} by epoch", ("Epoch", "Training", "Validation"), rows),
        key=key,
        mark="line",
    )


def _class_dot(model: str, table: pd.DataFrame, measure: str, name: str) -> charts.Dot:
    value = float(table[measure].get(name, math.nan))
    return charts.Dot(model, model, value, tip=f"{TITLES[model]}: {100 * value:.1f}%")
