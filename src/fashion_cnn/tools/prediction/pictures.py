"""Picture files -> what the networks were trained on: 28 pixels, grey, bright clothing on black."""

import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset.images import IMAGE_SIZE

Background = Literal["auto", "dark", "light"]

# What Pillow raises on damaged files.
DAMAGED = (OSError, SyntaxError, IndexError, TypeError, ValueError, EOFError, struct.error)
# And on a picture of more pixels than it trusts, 90 million or twice that.
TOO_LARGE = (Image.DecompressionBombWarning, Image.DecompressionBombError)
# A longer side than this is more than 28 pixels need; JPEG is then decoded at a half or less.
ENOUGH = 16 * IMAGE_SIZE


def find(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files; in the place of a folder, every file at any depth in it, sorted.

    Of a folder, what is hidden (its name, or that of a folder above it, starts with a dot) is
    left out. A path of nothing is yielded too: reading it says so.
    """
    for path in paths:
        try:
            below = sorted(path.rglob("*")) if path.is_dir() else []
        except OSError:  # such as a name too long: reading it says so
            below = []
        files = [file for file in below if not file.is_dir() and not _hidden(file, path)]
        # A folder with nothing in it is no picture: reading it says so.
        yield from files or [path]


def read(path: Path, background: Background = "auto") -> np.ndarray:
    """Read a PNG or JPEG as the data set's images are: (28, 28) uint8 in [0, 255].

    A picture of 28 x 28 pixels is taken as it is, but for the background. Of another, the empty
    border is cut off, the longer side resized to 28 pixels with antialiasing, and the shorter
    extended to 28 with the background. Colours become their luma (ITU-R BT.601).

    The background is light where the median of the corners is over 127; the picture is then
    inverted. `dark` and `light` overrule that. Transparent pixels are background: by default
    black or white, whichever is further from the mean of the opaque ones.

    Raises:
        InputError: why this is no picture, without its name.

    Source: Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST", section 2, for the order of steps.
    """
    try:
        if not path.is_file():
            raise InputError("no file in this folder" if path.is_dir() else "no such file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                opened.draft(None, (ENOUGH, ENOUGH))
                grey = _grey(ImageOps.exif_transpose(opened), background)
    except InputError:
        raise
    except TOO_LARGE:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise InputError("no PNG or JPEG picture") from None
    except PermissionError:
        raise InputError("no permission to read it") from None
    except DAMAGED as error:
        raise InputError(f"damaged picture ({error})") from None
    level = background_level(grey)
    fitted = grey if grey.size == (IMAGE_SIZE, IMAGE_SIZE) else _fit(grey, level)
    light = background == "light" or (background == "auto" and level > 127)
    return np.asarray(ImageOps.invert(fitted) if light else fitted)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _grey(image: Image.Image, background: Background) -> Image.Image:
    """Return any picture as 8 bits of grey, its transparent pixels as background."""
    if image.mode.startswith("I"):
        # 16 bits: Pillow would cut off what is over 255.
        return Image.fromarray((np.asarray(image).astype(np.int64) // 257).astype(np.uint8))
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        grey, opacity = colours.convert("RGB").convert("L"), colours.getchannel("A")
        weights = np.asarray(opacity, dtype=np.float64)
        mean = float((np.asarray(grey) * weights).sum() / max(weights.sum(), 1))
        light = background == "light" or (background == "auto" and mean < 127.5)
        return Image.composite(grey, Image.new("L", grey.size, 255 if light else 0), opacity)
    # Pillow knows the way from some modes, such as CMYK, to RGB alone.
    return image if image.mode == "L" else image.convert("RGB").convert("L")


def background_level(grey: Image.Image) -> int:
    """Return the median level of the four corners, each a 14th of the shorter side wide.

    Of the borders' and corners' means and medians, the one that tells the 70,000 images of the
    data set from their inverses by the widest margin: none of them is brighter than 51 there.
    """
    pixels = np.asarray(grey)
    side = max(1, round(min(grey.size) / 14))
    corners = [
        part
        for half in (pixels[:side], pixels[-side:])
        for part in (half[:, :side], half[:, -side:])
    ]
    return int(np.median(corners))


def _fit(grey: Image.Image, level: int) -> Image.Image:
    """Cut the border of `level` off, resize the longer side to 28, extend the shorter to 28."""
    different = ImageChops.difference(grey, Image.new("L", grey.size, level))
    # As the data set was made: a border within 5% of the brightest level is empty.
    found = different.point(lambda value: 255 * (value > 0.05 * 255)).getbbox()
    cut = grey.crop(found) if found else grey
    scale = IMAGE_SIZE / max(cut.size)
    width, height = (max(1, round(side * scale)) for side in cut.size)
    resized = cut.resize((width, height), Image.Resampling.BILINEAR)
    fitted = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE), level)
    fitted.paste(resized, ((IMAGE_SIZE - width) // 2, (IMAGE_SIZE - height) // 2))
    return fitted
