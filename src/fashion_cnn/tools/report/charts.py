"""Numbers -> SVG: places are computed here, drawn by templates/charts.svg.

Colours are classes that chart.css gives, so that a drawing follows a light or dark page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fashion_cnn.tools.report.axes import Axis, axis, round_numbers
from fashion_cnn.tools.report.pipeline import Pipeline

TEMPLATES = Environment(
    loader=PackageLoader("fashion_cnn.tools.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
WIDTH = 360  # of a drawing, in its own units: about a phone's width in pixels


@dataclass(frozen=True)
class Line:
    """A curve: its name, the class of its stroke, and its values."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Dot:
    """A value in a row, with its interval: its name and the class of its mark."""

    name: str
    style: str
    value: float
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True)
class Pair:
    """Two networks, the classes of their colours, and the images that each alone gets right."""

    names: tuple[str, str]
    styles: tuple[str, str]
    counts: tuple[int, int]
    verdict: str


def lines(
    curves: Sequence[Line], x_title: str, y_title: str, span: Sequence[float], percent: bool
) -> Markup:
    """Draw curves over whole numbers, such as epochs.

    Args:
        curves: at least one, each with a value at least.
        x_title: of the axis.
        y_title: of the axis.
        span: values that the vertical axis holds, so that drawings side by side share it.
        percent: whether to write values as percent.
    """
    steps = sorted({step for line in curves for step in line.x})
    y = axis(span, 204, 30, percent)
    x = Axis(min(steps), max(*steps, min(steps) + 1), 52, 346, ())
    marked = [
        step
        for step in round_numbers(x.low, x.high, 6)
        if x.low <= step <= x.high and step == round(step)
    ]

    def show(value: float) -> str:
        return f"{100 * value:.2f}%" if percent else f"{value:.4f}"

    hits = []
    for step in steps:
        named = [
            (line, line.y[list(line.x).index(step)]) for line in curves if step in list(line.x)
        ]
        tip = "\n".join(
            [f"{x_title} {step:g}", *(f"{line.name}: {show(value)}" for line, value in named)]
        )
        hits.append((x(step), tip, [(x(step), y(value), line.style) for line, value in named]))
    return _draw(
        "lines",
        width=WIDTH,
        height=244,
        x=x,
        y=y,
        x_marks=[(x(step), f"{step:g}") for step in marked],
        x_title=x_title,
        y_title=y_title,
        paths=[
            (line.style, " ".join(f"{x(a)},{y(b)}" for a, b in zip(line.x, line.y, strict=True)))
            for line in curves
        ],
        hits=hits,
        half=round((x(steps[-1]) - x(steps[0])) / max(1, len(steps) - 1) / 2, 1) or 20,
    )


def dots(
    rows: Sequence[tuple[str, Sequence[Dot]]],
    x_title: str,
    span: Sequence[float],
    *,
    percent: bool = True,
    zero: bool = False,
) -> Markup:
    """Draw values with their intervals, a named row of them after another.

    Args:
        rows: of a name and what is drawn beside it.
        x_title: of the axis.
        span: values that the axis holds.
        percent: whether to write the axis in percent.
        zero: whether to draw a line at 0.
    """
    x = axis(span, 104, 340, percent)
    pitch = 26 if max(len(entries) for _, entries in rows) < 3 else 30
    placed = []
    for number, (name, entries) in enumerate(rows):
        middle = 18 + pitch * number
        gap = 7 if len(entries) < 3 else 6
        top = middle - gap * (len(entries) - 1) / 2
        marks = [(top + gap * place, dot) for place, dot in enumerate(entries)]
        tip = "\n".join([name, *(dot.tip for dot in entries)])
        placed.append((name, middle, marks, tip))
    bottom = 18 + pitch * len(rows) - pitch / 2
    return _draw(
        "dots",
        width=WIDTH,
        height=bottom + 38,
        x=x,
        x_title=x_title,
        rows=placed,
        bottom=bottom,
        pitch=pitch,
        zero=zero,
    )


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Markup:
    """Draw a confusion matrix (classes, classes) of counts: rows actual, columns predicted."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = shares * (1 - np.eye(len(classes)))
    largest = max(float(errors.max()), 1e-9)
    size, left, top = 25, 84, 64
    cells = []
    for row, actual in enumerate(classes):
        for column, predicted in enumerate(classes):
            share = float(shares[row, column])
            count = int(counts[row, column])
            right = row == column
            cells.append(
                {
                    "x": left + size * column,
                    "y": top + size * row,
                    "style": "right" if right else "wrong",
                    # No darker than lets the text be read, see chart.css.
                    "opacity": round(0.45 * share if right else 0.6 * (share / largest) ** 0.5, 3),
                    "text": f"{100 * share:.0f}" if count and round(100 * share) else "",
                    "tip": f"{count:,} of {int(counts[row].sum()):,} {actual}\n"
                    + ("recognised" if right else f"taken for {predicted}")
                    + f": {100 * share:.1f}%",
                }
            )
    return _draw(
        "confusion",
        width=WIDTH,
        height=top + size * len(classes) + 10,
        cells=cells,
        size=size,
        left=left,
        top=top,
        classes=classes,
    )


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Draw accuracy against confidence, a bar for each of equal bins, and how many images each has.

    Args:
        bins: mean confidence, accuracy (both NaN where empty) and images of each.
    """
    x = Axis(0, 1, 52, 346, tuple((v / 4, f"{25 * v}%") for v in range(5)))
    y = Axis(0, 1, 204, 30, x.marks)
    images = sum(count for *_, count in bins)
    bars = []
    for number, (confidence, accuracy, count) in enumerate(bins):
        low, high = number / len(bins), (number + 1) / len(bins)
        said = (
            f"confidence {100 * confidence:.1f}%, accuracy {100 * accuracy:.1f}%\n" if count else ""
        )
        bars.append(
            {
                "x": x(low) + 1,
                "width": round(x(high) - x(low) - 2, 1),
                "y": y(accuracy) if count else y(0),
                # A bin of few images says little: it is drawn fainter.
                "opacity": 0.35 if count < 30 else 0.9,
                "middle": None if not count else (x(confidence), y(confidence)),
                "tip": f"confidence from {100 * low:.0f}% to {100 * high:.0f}%\n{said}"
                f"{count:,} of {images:,} images",
            }
        )
    return _draw("reliability", width=WIDTH, height=244, x=x, y=y, bars=bars)


def pairs(rows: Sequence[Pair]) -> Markup:
    """Draw, for pairs of networks, the images that one alone or the other alone gets right."""
    most = max([1, *(max(row.counts) for row in rows)])
    placed = [
        (58 * number, row, [round(130 * count / most, 1) for count in row.counts])
        for number, row in enumerate(rows)
    ]
    return _draw("pairs", width=WIDTH, height=58 * len(rows) + 6, rows=placed)


def graph(pipeline: Pipeline) -> Markup:
    """Draw the pipeline from top to bottom, a level a row."""
    widest = max(len(level) for level in pipeline.levels)
    box, gap, height, pitch = 112, 10, 44, 84
    width = max(WIDTH, widest * (box + gap) + 2)
    places = {}
    for row, level in enumerate(pipeline.levels):
        left = (width - len(level) * box - (len(level) - 1) * gap) / 2
        for column, stage in enumerate(level):
            places[stage.name] = (left + column * (box + gap), 1 + row * pitch, stage)
    curves = []
    for first, second in pipeline.edges:
        (x1, y1, _), (x2, y2, _) = places[first], places[second]
        x1, y1, x2 = x1 + box / 2, y1 + height, x2 + box / 2
        bend = (y2 - y1) / 2
        curves.append(f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}")
    nodes = [
        {
            "x": x,
            "y": y,
            "name": stage.name,
            "below": " ".join(stage.items)
            or f"{len(stage.outputs)} output" + ("s" if len(stage.outputs) != 1 else ""),
            "tip": "\n".join(filter(None, [stage.description, *_files(stage.outputs)])),
        }
        for x, y, stage in places.values()
    ]
    return _draw(
        "graph",
        width=width,
        height=(len(pipeline.levels) - 1) * pitch + height + 2,
        curves=curves,
        nodes=nodes,
        box=box,
        node_height=height,
    )


def _files(paths: Sequence[str]) -> list[str]:
    shown = [f"→ {path}" for path in paths[:6]]
    return shown + ([f"and {len(paths) - 6} more"] if len(paths) > 6 else [])


def _draw(name: str, **values: object) -> Markup:
    macro = getattr(TEMPLATES.get_template("charts.svg").module, name)
    return Markup(macro(**values))
