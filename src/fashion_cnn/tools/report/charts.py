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


def curves(
    lines: Sequence[Line], x_title: str, y_title: str, span: Sequence[float], percent: bool
) -> Markup:
    """Draw curves over whole numbers, such as epochs; the vertical axis holds all of `span`."""
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
    zero: bool = False,
) -> Markup:
    """Draw values with their intervals, one named row below the other.

    The axis holds all of `span`; `zero` draws a line at 0.
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
    axis = alt.Axis(format="~%", tickCount=4, labelFlush=False)
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
