"""IDX files made for tests, in place of a user's own images."""

import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor


def idx(values: Tensor) -> bytes:
    """Return the IDX file of a uint8 tensor."""
    header = bytes([0, 0, 8, values.dim()]) + struct.pack(f">{values.dim()}I", *values.shape)
    return header + values.numpy().tobytes()


def write_folder(folder: Path, classes: int = 10, **pixels: Tensor) -> Path:
    """Make a folder of the four files from images, labelled 0 to 9 in turn.

    Args:
        folder: must not exist.
        classes: how many labels take turns.
        pixels: images by subset, `train` and `t10k`.
    """
    folder.mkdir(parents=True)
    for subset, images in pixels.items():
        labels = torch.arange(len(images)).remainder(classes).to(torch.uint8)
        (folder / f"{subset}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{subset}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


SHAPES = ("cross", "disc", "square", "triangle")
STYLES = ("filled", "outline", "small")


def draw_folder(folder: Path, classes: int, per_class: int, *, colour: bool) -> Path:
    """Make a folder of pictures of shapes, CLASS/NUMBER.png, of up to 12 classes.

    Each is drawn at a place, in a size, of a shape of picture and, with `colour`, in a colour of
    its own; nothing but the shape and its style tells the class.
    """
    random = np.random.default_rng(0)
    names = [f"{style} {shape}" for style in STYLES for shape in SHAPES][:classes]
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            width, height = random.integers(36, 48, 2).tolist()
            ink = tuple(random.integers(120, 256, 3).tolist()) if colour else (230, 230, 230)
            picture = Image.new("RGB", (width, height))
            style, _, shape = name.partition(" ")
            radius = 7 if style == "small" else int(random.integers(12, 16))
            centre = width / 2 + random.integers(-2, 3), height / 2 + random.integers(-2, 3)
            _draw(ImageDraw.Draw(picture), shape, centre, radius, ink, outline=style == "outline")
            picture.save(folder / name / f"{number:03}.png")
    return folder


def _draw(
    draw: ImageDraw.ImageDraw,
    shape: str,
    centre: tuple[float, float],
    radius: int,
    ink: tuple[int, ...],
    *,
    outline: bool,
) -> None:
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    style = {"outline": ink, "width": 2} if outline else {"fill": ink}
    third = radius / 3
    if shape == "disc":
        draw.ellipse(box, **style)
    elif shape == "square":
        draw.rectangle(box, **style)
    elif shape == "triangle":
        corners = [(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)]
        draw.polygon(corners, **style)
    else:
        draw.rectangle((x - third, y - radius, x + third, y + radius), **style)
        draw.rectangle((x - radius, y - third, x + radius, y + third), **style)
