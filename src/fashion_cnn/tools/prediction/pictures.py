"""Picture files -> images like the data set's: 28 pixels, grey, bright clothing on black."""

import os
import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Pictures
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind
from fashion_cnn.sources import pictures as own
from fashion_cnn.tools.prediction.garment import WORKING_SIDE
from fashion_cnn.tools.prediction.garment import find as find_garment

IMAGE_SIZE = FASHION_MNIST.size[0]
Background = Literal["auto", "dark", "light"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
NOTHING = "nothing to see in it"

# What Pillow raises for damaged files.
DAMAGED = (OSError, SyntaxError, IndexError, TypeError, ValueError, EOFError, struct.error)
# And for a picture with more pixels than its safety limit.
TOO_LARGE = (Image.DecompressionBombWarning, Image.DecompressionBombError)
# No more is needed of a picture: a longer JPEG is decoded at a half of its size or less.
ENOUGH = 2 * WORKING_SIDE
# A garment with fewer pixels than this is looked at more closely.
CLOSE = 2 * IMAGE_SIZE


@dataclass(frozen=True)
class Picture:
    """What the network sees of a picture, (28, 28) uint8, and a note on it, if any."""

    pixels: np.ndarray
    note: str | None = None


def find(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files; in place of a folder, all files in it at any depth, sorted.

    Hidden files of a folder are left out: those whose name, or the name of a folder on the way,
    starts with a dot. A path that does not exist, or a folder without files or that may not be
    listed, is yielded as it is, so that `read` can say what is wrong with it.

    Raises:
        InputError: a path is the whole disk.
    """
    for path in paths:
        if path.absolute() == Path(path.anchor):
            raise InputError(f"expected pictures or a folder of them, got the whole disk: {path}")
        yield from sorted(_files_below(path)) or [path]


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield a folder's files at any depth, and the folders in it that may not be listed."""
    denied: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=denied.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(here, name) for name in files if not name.startswith("."))
    yield from (Path(error.filename) for error in denied if Path(error.filename) != folder)


def read(path: Path, background: Background = "auto") -> Picture:
    """Read a picture in the form of the data set's images.

    A picture of 28 x 28 pixels keeps them; it is inverted where the median of its corners is over
    127. In any other, the garment is found on its ground (see `garment.find`), inverted unless its
    ground is dark, resized with antialiasing until its longer side has 28 pixels, and set on black.
    `dark` and `light` overrule whether to invert. Of several frames, the first is read.

    Colours become their luma (ITU-R BT.601). Transparent pixels are background: by default black
    or white, whichever is further from the mean of the opaque ones.

    Raises:
        InputError: this is not a picture, and why; the message leaves out the file's name.

    Source: Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST", section 2, for the order of steps.
    """
    # Pillow's warning of too many pixels is an error here.
    with warnings.catch_warnings(action="ignore"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _see(_open(path, background), background)


def read_own(path: Path, kind: Kind, settings: Pictures) -> Picture:
    """Read a picture as those of a data set of one's own were read: (H, W), or (H, W, 3) uint8.

    Raises:
        InputError: as in `read`.
    """
    image, _ = own.read(path, kind.size, settings)
    grey = kind.channels == 1
    return Picture(np.asarray(Image.fromarray(image).convert("L")) if grey else image)


def _see(grey: Image.Image, background: Background) -> Picture:
    invert = None if background == "auto" else background == "light"
    if grey.size == (IMAGE_SIZE, IMAGE_SIZE):
        light = background_level(grey) > 127 if invert is None else invert
        pixels = np.asarray(ImageOps.invert(grey) if light else grey)
        return Picture(pixels, NOTHING if pixels.min() == pixels.max() else None)
    garment = find_garment(_reduced(grey), invert=invert)
    if not garment.things:
        return Picture(np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8), NOTHING)
    if max(garment.pixels.shape) < CLOSE and max(grey.size) > WORKING_SIDE:
        # So small that reducing the picture cost much of it: look again, from close by.
        closer = find_garment(_reduced(_around(grey, garment.box)), invert=invert)
        garment = replace(closer, things=garment.things) if closer.things else garment
    several = f"{garment.things} things in it, the largest was taken"
    return Picture(_fit(garment.pixels), several if garment.things > 1 else None)


def _reduced(grey: Image.Image) -> np.ndarray:
    """Return a picture as (height, width) float32, at most WORKING_SIDE a side."""
    scale = min(1, WORKING_SIDE / max(grey.size))
    width, height = (max(1, round(side * scale)) for side in grey.size)
    smaller = grey.resize((width, height), Image.Resampling.BOX) if scale < 1 else grey
    return np.asarray(smaller, np.float32)


def _around(grey: Image.Image, box: tuple[slice, slice]) -> Image.Image:
    """Return the part of a picture in a box of its reduced form, and half as much around it."""
    scale = max(grey.size) / WORKING_SIDE
    border = max(side.stop - side.start for side in box) / 2
    rows, columns = box
    return grey.crop(
        (
            max(0, round(scale * (columns.start - border))),
            max(0, round(scale * (rows.start - border))),
            min(grey.width, round(scale * (columns.stop + border))),
            min(grey.height, round(scale * (rows.stop + border))),
        )
    )


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that Pillow may open; HEIC needs pillow-heif, which need not be there."""
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415
    except ImportError:
        return FORMATS
    register_heif_opener()
    return (*FORMATS, "HEIF")


def _open(path: Path, background: Background) -> Image.Image:
    """Return a picture file as 8-bit grey, upright."""
    try:
        if not path.is_file():
            there = "no file in this folder" if path.is_dir() else "not a file"
            raise InputError(there if path.exists() else "no such file")
        if not path.stat().st_size:
            # Not opened: reading a file of /proc may wait for ever.
            raise InputError(_unknown(path))
        with Image.open(path, formats=_formats()) as opened:
            opened.draft(None, (ENOUGH, ENOUGH))
            ImageOps.exif_transpose(opened, in_place=True)
            return _grey(opened, background)
    except InputError:
        raise
    except TOO_LARGE:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise InputError(_unknown(path)) from None
    except PermissionError:
        raise InputError("no permission to read it") from None
    except DAMAGED as error:
        raise InputError(f"damaged picture ({error})") from None


def _unknown(path: Path) -> str:
    if path.suffix.lower() in (".heic", ".heif") and "HEIF" not in _formats():
        return "HEIC needs one more package: pip install pillow-heif"
    return "not a PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC picture"


def _grey(image: Image.Image, background: Background) -> Image.Image:
    """Return any picture as 8-bit grey, with the background in place of transparent pixels."""
    if image.mode[0] in "IF":
        values = np.asarray(image, np.float64)
        # 16 bits per pixel, or floats up to 1 or 255; Pillow itself would clip at 255.
        white = next((top for top in (1, 255, 65535) if values.max() <= top), values.max())
        white = 65535 if image.mode.startswith("I;16") else white
        grey = Image.fromarray((values / white * 255).clip(0, 255).astype(np.uint8))
        clear = image.info.get("transparency")
        opacity = None if clear is None else Image.fromarray(255 * np.uint8(values != clear))
    elif image.has_transparency_data:
        colours = image.convert("RGBA")
        grey, opacity = colours.convert("RGB").convert("L"), colours.getchannel("A")
    else:
        # Pillow converts some modes, such as CMYK, only to RGB.
        return (image if image.mode in ("L", "RGB") else image.convert("RGB")).convert("L")
    if opacity is None:
        return grey
    weights = np.asarray(opacity, dtype=np.float64)
    mean = float((np.asarray(grey) * weights).sum() / max(weights.sum(), 1))
    light = background == "light" or (background == "auto" and mean < 127.5)
    return Image.composite(grey, Image.new("L", grey.size, 255 if light else 0), opacity)


def background_level(grey: Image.Image) -> int:
    """Return the median level of the four corners, each a 14th of the shorter side wide.

    Among means and medians of borders and corners, this one separates the data set's 70,000 images
    from their inverses by the widest margin: in none of them does it exceed 51.
    """
    pixels = np.asarray(grey)
    side = max(1, round(min(grey.size) / 14))
    rows = np.concatenate([pixels[:side], pixels[-side:]])
    return int(np.median(np.concatenate([rows[:, :side], rows[:, -side:]])))


def _fit(pixels: np.ndarray) -> np.ndarray:
    """Resize the longer side of (height, width) float32 to 28, and pad the shorter with black."""
    scale = IMAGE_SIZE / max(pixels.shape)
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    fitted = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    top, left = (IMAGE_SIZE - height) // 2, (IMAGE_SIZE - width) // 2
    fitted[top : top + height, left : left + width] = np.asarray(resized).round()
    return fitted
