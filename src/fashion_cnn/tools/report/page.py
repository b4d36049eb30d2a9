"""Sections -> report.html and report.md."""

import re
from collections.abc import Sequence
from html import escape as html_escape
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from tabulate import tabulate

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report.blocks import Cell, Chart, Gallery, Picture, Section, Table
from fashion_cnn.tools.report.comparison import METRICS, TITLES, Comparison
from fashion_cnn.tools.report.statistics import wilson

TEMPLATES = Environment(
    loader=PackageLoader("fashion_cnn.tools.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
# Sections of the page in short, and how many images it shows of each.
SHORT = {
    "networks": 1,
    "pairs": 1,
    "mistakes": 3,
    "curves": 3,
    "changes": 1,
    "data": 1,
    "parameters": 0,
}


def html(comparison: Comparison, sections: Sequence[Section]) -> str:
    """Return the page as one HTML file that loads nothing."""
    return (
        TEMPLATES.get_template("page.html")
        .render(
            now=comparison.now,
            baseline=comparison.baseline,
            same=comparison.same,
            heroes=heroes(comparison),
            differences=comparison.differences,
            sections=sections,
            chart_css=chart_css(),
            models=[*MODELS],
            page_css=text("page.css"),
            script=text("page.js"),
        )
        .lstrip()
    )


def markdown(comparison: Comparison, sections: Sequence[Section], folder: str) -> str:
    """Return the page in short, for a pull request, with images of `folder`."""
    return TEMPLATES.get_template("report.md").render(
        now=comparison.now,
        baseline=comparison.baseline,
        same=comparison.same,
        sections=[
            (section, [Markup(words) for words in _figures(section, folder)])
            for section in sections
            if section.name in SHORT
        ],
    )


def images(comparison: Comparison, sections: Sequence[Section]) -> dict[str, bytes]:
    """Return the images of the page in short, by file name."""
    found = {}
    for section in sections:
        for name, figure in _images(section):
            found[name] = (
                standalone(figure.svg).encode()
                if isinstance(figure, Chart)
                else comparison.now.read(figure.path)
            )
    return found


def _figures(section: Section, folder: str) -> list[str]:
    """Return a section's tables and images in Markdown."""
    tables = [
        f"**{escape(figure.caption)}**\n\n{markdown_table(figure)}"
        for figure in section.figures
        if isinstance(figure, Table)
    ]
    shown = [
        f"![{escape(figure.label if isinstance(figure, Chart) else figure.alt)}]({folder}/{name})"
        for name, figure in _images(section)
    ]
    # Images in a row, so that drawings of the networks stand side by side.
    return [*tables, *([" ".join(shown)] if shown else [])]


def _images(section: Section) -> list[tuple[str, Chart | Picture]]:
    """Return the images that the page in short shows of a section, with their file names."""
    if section.name not in SHORT:
        return []
    found: list[Chart | Picture] = []
    for figure in section.figures:
        if isinstance(figure, Chart):
            found.append(figure)
        elif isinstance(figure, Gallery):
            found += figure.pictures[:1]
    return [
        (f"{section.name}_{number}.{'svg' if isinstance(figure, Chart) else 'png'}", figure)
        for number, figure in enumerate(found[: SHORT[section.name]], start=1)
    ]


def heroes(comparison: Comparison) -> list[dict[str, str]]:
    """Return each network's accuracy in words."""
    found = []
    for model, values in comparison.metrics.items():
        if "accuracy" not in values:
            continue
        images = int(values["images"])
        low, high = wilson(values["accuracy"], images)
        change = comparison.changes[model].get("accuracy")
        words = ""
        if change and not comparison.same:
            words = f"{METRICS[0].show_difference(change.difference)}: {change.verdict}"
            if not change.difference:
                words = "the same as the baseline"
        found.append(
            {
                "model": model,
                "title": TITLES[model],
                "accuracy": METRICS[0].show(values["accuracy"]),
                "interval": f"{100 * low:.2f} to {100 * high:.2f} on {images:,} test images",
                "change": words,
            }
        )
    return found


def markdown_table(table: Table) -> str:
    """Return a table in GitHub's Markdown."""
    rows = [[_plain(cell) for cell in row] for row in table.rows]
    align = ["left"] + ["left" if table.text else "right"] * (len(table.columns) - 1)
    heads = [escape(name) for name in table.columns]
    return tabulate(rows, heads, "github", colalign=align, disable_numparse=True)


def standalone(svg: Markup) -> str:
    """Return a chart as a file of its own, light or dark as its reader's system."""
    end = svg.index(">") + 1
    paper = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f"{svg[:end]}<style>{chart_css()}</style>{paper}{svg[end:]}".strip() + "\n"


def text(name: str) -> Markup:
    """Return a file of templates/ as it is."""
    return Markup((files("fashion_cnn.tools.report") / "templates" / name).read_text("utf-8"))


def chart_css() -> Markup:
    """Return the style of charts: chart.css, and the colours of networks that it does not name."""
    css = text("chart.css")
    others = [model for model in MODELS if f"--{model}:" not in css]
    colours = (f"--{model}: var(--other-{place % 4});" for place, model in enumerate(others))
    return css + Markup(":root { %s }\n") % " ".join(colours)


def escape(words: str) -> Markup:
    """Return words as they stand in Markdown: neither HTML, nor a link, nor a table's border."""
    plain = html_escape(words.replace("\n", " "), quote=False)
    return Markup(re.sub(r"([\\`*|\[\]])", r"\\\1", plain))


TEMPLATES.filters["md"] = escape


def _plain(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escape(cell)
    shown = escape(cell.text)
    shown = Markup(f"**{shown}**") if cell.mark else shown
    return f"{shown} ({escape(cell.below)})" if cell.below else shown
