"""Contact sheets of suspect labels and of pairs, for a person to judge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fashion_cnn.base.files import written_atomically

WIDTH = 830  # what GitHub shows of a picture
COLUMNS, SCALE, FONT = 8, 3, 13
COLOURS = 64
Tile = tuple[Sequence[np.ndarray], Sequence[tuple[str, str]]]
"""Images (28, 28) uint8 that stand side by side, and lines of text below with their colours."""


def sheet(tiles: Sequence[Tile], columns: int = COLUMNS) -> Image.Image:
    """Return the tiles in rows, left to right, `WIDTH` pixels wide."""
    across, side = WIDTH // columns, SCALE * 28
    lines = max(len(text) for _, text in tiles)
    down = side + lines * (FONT + 3) + 12
    rows = -(-len(tiles) // columns)
    picture = Image.new("RGB", (WIDTH, rows * down), "white")
    draw = ImageDraw.Draw(picture)
    for place, (images, text) in enumerate(tiles):
        left, top = place % columns * across, place // columns * down
        start = left + (across - len(images) * (side + 4)) // 2
        for number, image in enumerate(images):
            shown = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
            picture.paste(shown, (start + number * (side + 4), top + 2))
        for number, (line, colour) in enumerate(text):
            middle = (left + across // 2, top + side + 5 + number * (FONT + 3))
            draw.text(middle, line, fill=colour, font_size=FONT, anchor="ma")
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as a small PNG."""
    with written_atomically(path) as unfinished:
        picture.quantize(COLOURS).save(unfinished, format="PNG", optimize=True)
