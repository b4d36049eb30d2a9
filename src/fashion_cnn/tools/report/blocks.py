"""What a section of the page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, a smaller line below it, and whether that is good news."""

    text: str
    below: str = ""
    mark: str = ""  # better, worse or nothing
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    text: bool = False  # whether the cells are words, and not numbers to align to the right
    wide: bool = False
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Chart:
    """A drawing with values to hover, and a table of them for whoever cannot see it."""

    caption: str
    label: str
    svg: Markup
    values: Table | None = None
    key: Sequence[tuple[str, str]] = ()  # a color, and what it stands for
    mark: str = "dot"  # or line
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True)
class Picture:
    """An image, as the address of its data, with what it shows and what to see in it."""

    alt: str
    source: str
    width: int
    height: int
    path: str


@dataclass(frozen=True)
class Gallery:
    """Images of one network, each of which opens large; `more` are folded."""

    caption: str
    pictures: Sequence[Picture]
    more: Sequence[Picture] = ()
    wide: bool = True
    kind: str = field(default="gallery", init=False)


@dataclass(frozen=True)
class Section:
    """A part of the page, with its figures and with notes on what is not there."""

    name: str
    title: str
    lead: str
    figures: Sequence[Table | Chart | Gallery]
    notes: Sequence[str] = ()
    folded: bool = False
