"""Numbers -> SVG, drawn by Vega-Lite.

Colours are CSS variables, so that a drawing follows a light or dark page. Above each drawing lie
invisible rectangles whose aria-label is the text that page.js shows under the pointer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from markupsafe import Markup

from fashion_cnn.evaluation import measures

WIDTH = 360  # of a drawing: about a phone's width in pixels
FONT = "ui-sans-serif, system-ui, -apple-system, Segoe UI, Liberation Sans, Arial, sans-serif"
STYLE = {
    "background": None,
    "font": FONT,
    "padding": {"left": 3, "top": 3, "right": 14, "bottom": 3},
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": "var(--rule)",
        "labelColor": "var(--quiet)",
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleColor": "var(--quiet)",
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "text": {"color": "var(--ink)", "fontSize": 11},
}


@dataclass(frozen=True)
class Line:
    """A curve: its name, the name of its colour, and its values; dashed if of the baseline."""

    name: str
    color: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A value in a row, with its interval: its name and the name of its colour."""

    name: str
    color: str
    value: float
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True)
class Pair:
    """Two networks, the names of their colours, and the images that each alone gets right."""

    names: tuple[str, str]
    colors: tuple[str, str]
    counts: tuple[int, int]
    tip: str


def curves(
    lines: Sequence[Line], x_title: str, y_title: str, span: Sequence[float], percent: bool
) -> Markup:
    """Draw curves over whole numbers, such as epochs.

    Args:
        lines: at least one, each with at least one value.
        x_title: of the axis.
        y_title: of the axis.
        span: values that the vertical axis holds, so that drawings side by side share it.
        percent: whether to write values as percent.
    """
    table = pd.concat(
        pd.DataFrame({"x": line.x, "y": line.y}).assign(
            name=line.name, color=f"var(--{line.color})", dashed=line.dashed
        )
        for line in lines
    )
    table["text"] = [f"{100 * v:.2f}%" if percent else f"{v:.4f}" for v in table["y"]]
    steps = sorted({float(step) for step in table["x"]})
    tips = []
    for step in steps:
        part = table[table["x"] == step]
        tip = "\n".join([f"{x_title} {step:g}", *(part["name"] + ": " + part["text"])])
        tips.append({"x": step - 0.5, "x2": step + 0.5, "tip": tip})
    values = [value for value in span if np.isfinite(value)]
    y = alt.Y(
        "y:Q",
        title=y_title,
        scale=alt.Scale(domain=[min(values), max(values)], nice=4, zero=False),
        axis=alt.Axis(format="%" if percent else "", tickCount=4, **_ABOVE),
    )
    x = alt.X(
        "x:Q",
        title=x_title,
        scale=alt.Scale(domain=[steps[0] - 0.5, steps[-1] + 0.5], nice=False),
        axis=alt.Axis(grid=False, format="d", values=steps[:: -(-len(steps) // 8)]),
    )
    drawn = (
        alt.Chart(table)
        .mark_line(
            aria=False,
            strokeWidth=1.8,
            point=alt.OverlayMarkDef(size=12 if len(steps) > 1 else 48, aria=False),
        )
        .encode(
            x=x,
            y=y,
            color=alt.Color("color:N", scale=None),
            detail="name:N",
            strokeDash=alt.StrokeDash(
                "dashed:N",
                scale=alt.Scale(domain=[False, True], range=[[1, 0], [2, 4]]),
                legend=None,
            ),
        )
    )
    hits = _hits(tips, x=alt.X("x:Q"), x2="x2:Q", y=alt.value(0), y2=alt.value(180))
    return _draw(drawn + hits, height=180, width=300)


def dots(
    rows: Sequence[tuple[str, Sequence[Dot]]],
    x_title: str,
    span: Sequence[float],
    *,
    percent: bool = True,
    zero: bool = False,
) -> Markup:
    """Draw values with their intervals, one named row below the other.

    Args:
        rows: a name and what is drawn beside it.
        x_title: of the axis.
        span: values that the axis holds.
        percent: whether to write the axis in percent.
        zero: whether to draw a line at 0.
    """
    table = pd.DataFrame(
        {
            "row": name,
            "place": place,
            "value": dot.value,
            "low": dot.value if dot.low is None else dot.low,
            "high": dot.value if dot.high is None else dot.high,
            "color": f"var(--{dot.color})",
        }
        for name, entries in rows
        for place, dot in enumerate(entries)
    )
    tips = [
        {"row": name, "tip": "\n".join([name, *(dot.tip for dot in entries)])}
        for name, entries in rows
    ]
    y = alt.Y("row:N", sort=[name for name, _ in rows], axis=alt.Axis(minExtent=82, **_NAMED))
    offset = alt.YOffset("place:O", scale=alt.Scale(paddingOuter=0.6))
    scale = alt.Scale(domain=[min(span), max(span)], nice=4, zero=False)
    axis = alt.Axis(format="~%" if percent else "", tickCount=4, labelFlush=False)
    x = alt.X("value:Q", title=x_title, scale=scale, axis=axis)
    color = alt.Color("color:N", scale=None)
    base = alt.Chart(table).encode(y=y, yOffset=offset)
    layers: list[alt.Chart] = [
        base.mark_rule(aria=False, strokeWidth=2, opacity=0.65).encode(
            x=alt.X("low:Q", title=x_title, scale=scale, axis=axis), x2="high:Q", color=color
        ),
        base.mark_point(aria=False, filled=True, size=48, opacity=1).encode(x=x, fill=color),
    ]
    if zero:
        layers.insert(
            0,
            alt.Chart(pd.DataFrame({"value": [0.0]}))
            .mark_rule(aria=False, color="var(--strong-rule)")
            .encode(x=x),
        )
    layers.append(_hits(tips, y=y, x=alt.value(-86), x2=alt.value(250)))
    pitch = 26 if max(len(entries) for _, entries in rows) < 3 else 30
    return _draw(alt.layer(*layers), height=pitch * len(rows), width=250)


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Markup:
    """Draw a confusion matrix (classes, classes) of counts: rows actual, columns predicted."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    percents = measures.percents(counts)
    largest = max(float((shares * (1 - np.eye(len(classes)))).max()), 1e-9)
    cells = []
    for (row, column), share in np.ndenumerate(shares):
        right = row == column
        cells.append(
            {
                "actual": classes[row],
                "predicted": classes[column],
                "color": "var(--right)" if right else "var(--wrong)",
                # No darker than lets the text be read.
                "opacity": round(0.45 * share if right else 0.6 * (share / largest) ** 0.5, 3),
                "text": str(percents[row, column] or ""),
                "tip": f"{counts[row, column]:,} of {counts[row].sum():,} {classes[row]}\n"
                + ("recognised" if right else f"taken for {classes[column]}")
                + f": {100 * share:.1f}%",
            }
        )
    narrow = alt.Scale(paddingInner=0.05)
    x = alt.X(
        "predicted:N",
        sort=list(classes),
        scale=narrow,
        axis=alt.Axis(orient="top", labelAngle=-55, minExtent=62, **_NAMED),
    )
    y = alt.Y(
        "actual:N",
        sort=list(classes),
        scale=narrow,
        axis=alt.Axis(minExtent=82, **_NAMED),
    )
    base = alt.Chart(pd.DataFrame(cells)).encode(x=x, y=y)
    drawn = base.mark_rect(aria=False).encode(
        fill=alt.Fill("color:N", scale=None), fillOpacity=alt.FillOpacity("opacity:Q", scale=None)
    )
    words = base.mark_text(aria=False).encode(text="text:N")
    size = 25 * len(classes)
    return _draw(drawn + words + _hits(cells, x=x, y=y), height=size, width=size)


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Draw accuracy against confidence, with one bar for each of equal bins.

    Args:
        bins: mean confidence, accuracy (both NaN where empty) and images of each.
    """
    images = sum(count for *_, count in bins)
    table = []
    for number, (confidence, accuracy, count) in enumerate(bins):
        low, high = number / len(bins), (number + 1) / len(bins)
        words = f"confidence {100 * confidence:.1f}%, accuracy {100 * accuracy:.1f}%\n"
        table.append(
            {
                "low": low,
                "high": high,
                "confidence": confidence if count else None,
                "accuracy": accuracy if count else 0,
                # A bin of few images says little: it is drawn fainter.
                "opacity": 0.35 if count < 30 else 0.9,
                "tip": f"confidence from {100 * low:.0f}% to {100 * high:.0f}%\n"
                + (words if count else "")
                + f"{count:,} of {images:,} images",
            }
        )
    whole = alt.Scale(domain=[0, 1], nice=False)
    marks = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format="%", grid=False)
    x = alt.X("low:Q", title="confidence", scale=whole, axis=marks)
    y = alt.Y(
        "accuracy:Q",
        title="accuracy",
        scale=whole,
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format="%", **_ABOVE),
    )
    base = alt.Chart(pd.DataFrame(table))
    bars = base.mark_rect(aria=False, fill="var(--right)", stroke="var(--paper)").encode(
        x=x, x2="high:Q", y=y, y2=alt.datum(0), fillOpacity=alt.FillOpacity("opacity:Q", scale=None)
    )
    means = base.mark_point(
        aria=False, filled=True, fill="var(--raised)", stroke="var(--ink)", size=28, opacity=1
    ).encode(x=alt.X("confidence:Q", scale=whole), y=alt.Y("confidence:Q", scale=whole))
    ideal = (
        alt.Chart(pd.DataFrame({"low": [0, 1], "accuracy": [0, 1]}))
        .mark_line(aria=False, color="var(--strong-rule)", strokeDash=[3, 3], strokeWidth=1)
        .encode(x=x, y=y)
    )
    hits = _hits(table, x=x, x2="high:Q", y=alt.value(0), y2=alt.value(180))
    return _draw(bars + ideal + means + hits, height=180, width=300)


def pairs(rows: Sequence[Pair]) -> Markup:
    """Draw, for pairs of networks, the images that one alone or the other alone gets right."""
    table = pd.DataFrame(
        {
            "row": number,
            "name": row.names[side],
            "count": f"{row.counts[side]:,}",
            "end": (2 * side - 1) * row.counts[side],
            "color": f"var(--{row.colors[side]})",
        }
        for number, row in enumerate(rows)
        for side in (0, 1)
    )
    middle = (WIDTH - 6) / 2
    most = 1.35 * max(1, *(max(row.counts) for row in rows))
    x = alt.X("end:Q", scale=alt.Scale(domain=[-most, most], nice=False), axis=None)
    y = alt.Y("row:O", axis=None)
    base = alt.Chart(table).encode(y=y)
    layers: list[alt.Chart] = [
        base.mark_bar(aria=False, height=18, yOffset=8).encode(
            x=x, x2=alt.datum(0), color=alt.Color("color:N", scale=None)
        )
    ]
    aligned: list[tuple[int, Any, int]] = [(0, "right", -6), (1, "left", 6)]
    for side, align, away in aligned:
        half = alt.Chart(table.iloc[side::2]).encode(y=y)
        layers += [
            half.mark_text(aria=False, align=align, dx=away, dy=8).encode(x=x, text="count:N"),
            half.mark_text(aria=False, align=align, dx=away, dy=-12).encode(
                x=alt.value(middle), text="name:N"
            ),
        ]
    tips = [{"row": number, "tip": row.tip} for number, row in enumerate(rows)]
    layers.append(_hits(tips, y=y, x=alt.value(0), x2=alt.value(WIDTH)))
    return _draw(alt.layer(*layers), height=58 * len(rows), width=WIDTH - 6)


_ABOVE: dict[str, Any] = {
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "end",
    "titleX": -30,
    "titleY": -12,
}
_NAMED: dict[str, Any] = {"title": None, "grid": False, "labelColor": "var(--ink)", "labelLimit": 0}


def _hits(rows: Sequence[dict[str, Any]], **encoding: Any) -> alt.Chart:
    """Return invisible rectangles that carry the rows' tips."""
    mark = alt.Chart(pd.DataFrame(rows)).mark_rect(fill="var(--ink)", fillOpacity=0)
    return mark.encode(description="tip:N", **encoding)


def _draw(chart: Any, width: int, height: int) -> Markup:
    spec = chart.properties(width=width, height=height).to_dict() | {"config": STYLE}
    svg = vl_convert.vegalite_to_svg(spec).replace("<svg ", '<svg aria-hidden="true" ', 1)
    return Markup(svg)
