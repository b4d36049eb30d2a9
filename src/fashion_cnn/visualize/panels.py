"""Panels of numbered tiles side by side, on one colour scale, laid out in inches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from torch import Tensor

from fashion_cnn.dataset.images import displayed
from fashion_cnn.visualize.inspection import Example

# A class may have a name such as $5 to $10, which is no formula.
matplotlib.rcParams["text.parse_math"] = False
# Red above 0, white at 0 and blue below it; or grey, as in the tutorial.
COLORMAPS = {"diverging": "RdBu_r", "grey": "gray"}
QUIET, RIGHT, WRONG = "#57606a", "#1a7f37", "#cf222e"
# In inches: space around and between parts, a line of text, a tile's number; the parts' widths.
MARGIN, LINE, NUMBER = 0.15, 0.2, 0.14
PANEL, IMAGE, BAR = 4.2, 2.0, 0.12
HEADING = 0.55
DPI = 100


@dataclass(frozen=True)
class Sheet:
    """Tiles in rows, about as many as columns, with space for a number above each tile.

    Attributes:
        pixels: (H, W) float32, NaN between the tiles.
        corners: x and y of each tile's upper left corner, in pixels.
        tile_size: width and height of a tile, in pixels.
        height: in inches, if the sheet is as wide as a panel.
    """

    pixels: Tensor
    corners: list[tuple[float, float]]
    tile_size: tuple[int, int]
    height: float


def draw_panels(
    title: str,
    subtitle: str,
    panels: Mapping[str, Tensor],
    *,
    labels: Sequence[str],
    colors: str,
    example: Example | None = None,
    marked: Sequence[int] = (),
) -> Figure:
    """Draw panels of tiles side by side, on one colour scale.

    Args:
        title: in bold.
        subtitle: a line below the title.
        panels: tiles (N, h, w) by the panel's title.
        labels: the text above each of the N tiles, the same in every panel.
        colors: diverging, centred on 0; or grey, from the lowest to the highest value.
        example: an image to draw left of the panels, with the network's prediction.
        marked: indices of tiles to draw with a red frame and number.
    """
    sheets = {name: arrange(tiles) for name, tiles in panels.items()}
    height = max(sheet.height for sheet in sheets.values())
    start = MARGIN
    if example:
        start, height = start + IMAGE + MARGIN, max(height, IMAGE + LINE)
    width = start + len(sheets) * (PANEL + MARGIN) + BAR + 4 * MARGIN
    figure = make_figure(width, HEADING + LINE + height + MARGIN, title, subtitle)
    if example:
        draw_image(place(figure, MARGIN, MARGIN + height - IMAGE - LINE, IMAGE, IMAGE), example)
    norm = _norm(torch.cat([tiles.flatten() for tiles in panels.values()]), colors)
    for number, (name, sheet) in enumerate(sheets.items()):
        left, bottom = start + number * (PANEL + MARGIN), MARGIN + height - sheet.height
        axes = place(figure, left, bottom, PANEL, sheet.height)
        axes.imshow(sheet.pixels.numpy(), cmap=COLORMAPS[colors], norm=norm, aspect="auto")
        axes.set_title(name, fontsize=9)
        _draw_labels(axes, sheet, labels, marked)
    scale = ScalarMappable(norm, COLORMAPS[colors])
    draw_bar(figure, scale, width - BAR - 4 * MARGIN, MARGIN, height)
    return figure


def arrange(tiles: Tensor) -> Sheet:
    """Arrange tiles (N, h, w) for a panel."""
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    # Small tiles are enlarged, so that a gap of one pixel is narrow beside them.
    scale = max(1, round(64 / tiles.shape[2]))
    large = tiles.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
    height, width = large.shape[1:]
    gap = max(1, round(width / 12))
    sheet_width = columns * (width + gap) - gap
    head = math.ceil(NUMBER * sheet_width / PANEL)
    pixels = torch.full((rows * (height + head), sheet_width), math.nan)
    corners = []
    for index, tile in enumerate(large):
        top, left = index // columns * (height + head) + head, index % columns * (width + gap)
        pixels[top : top + height, left : left + width] = tile
        corners.append((left - 0.5, top - 0.5))
    return Sheet(pixels, corners, (width, height), PANEL * pixels.shape[0] / sheet_width)


def make_figure(width: float, height: float, title: str, subtitle: str) -> Figure:
    """Return a figure of this size in inches, with two lines of text at the top."""
    figure = Figure((width, height), dpi=DPI)
    left, top = MARGIN / width, 1 - 0.08 / height
    figure.text(left, top, title, fontsize=11, va="top", weight="bold")
    figure.text(left, top - 1.05 * LINE / height, subtitle, fontsize=9, va="top")
    return figure


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return new axes without a frame, at a position in inches."""
    size = figure.get_size_inches()
    axes = figure.add_axes((*((left, bottom) / size), *((width, height) / size)))
    axes.set_axis_off()
    return axes


def draw_image(axes: Axes, example: Example) -> None:
    """Draw an image titled with its class and the network's prediction, green if that is right."""
    axes.imshow(displayed(example.pixels), cmap="gray", vmin=0, vmax=255)
    axes.set_title(
        f"test image {example.index}: {example.label}\n"
        f"predicted {example.predicted}, {example.probability:.1%}",
        fontsize=9,
        color=RIGHT if example.label == example.predicted else WRONG,
        loc="left",
    )


def draw_bar(
    figure: Figure, scale: ScalarMappable, left: float, bottom: float, height: float
) -> None:
    """Draw a colour bar at a position in inches."""
    axes = place(figure, left, bottom, BAR, height)
    axes.set_axis_on()
    figure.colorbar(scale, cax=axes).ax.tick_params(labelsize=8)


def _norm(values: Tensor, colors: str) -> Normalize:
    if colors == "grey":
        return Normalize(float(values.min()), float(values.max()))
    # If every value is 0, any scale does, as long as it is not empty.
    largest = float(values.abs().max()) or 1.0
    return Normalize(-largest, largest)


def _draw_labels(axes: Axes, sheet: Sheet, labels: Sequence[str], marked: Sequence[int]) -> None:
    columns = math.ceil(math.sqrt(len(labels)))
    # In points, 72 per inch; a digit is about 0.6 times as wide as the font is high.
    size = min(7.0, 72 * PANEL / columns / (0.65 * max(map(len, labels))))
    # One collection of outlines, as a text for each label would double the time to draw a figure.
    outlines = PathCollection(
        [_outline(label, size) for label in labels],
        offsets=sheet.corners,
        offset_transform=axes.transData,
        facecolors=[WRONG if index in marked else QUIET for index in range(len(labels))],
        linewidths=0,
    )
    outlines.set_transform(Affine2D().scale(DPI / 72))
    axes.add_collection(outlines, autolim=False)
    for index in marked:
        frame = Rectangle(sheet.corners[index], *sheet.tile_size, fill=False, edgecolor=WRONG)
        axes.add_patch(frame)


@cache
def _outline(text: str, size: float) -> TextPath:
    return TextPath((0, 1.5), text, size)
