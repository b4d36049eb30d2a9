"""Picture files of any kind and size -> square arrays of the data set's form."""

import struct
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Pictures

# Pillow reads HEIC where pillow-heif is installed.
with suppress(ImportError):
    from pillow_heif import register_heif_opener

    register_heif_opener()

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF")
# What Pillow raises for damaged files.
DAMAGED = (OSError, SyntaxError, IndexError, TypeError, ValueError, EOFError, struct.error)
RESAMPLE = Image.Resampling.BILINEAR
TOO_LARGE = (Image.DecompressionBombWarning, Image.DecompressionBombError)


def read(
    path: Path, size: tuple[int, int], settings: Pictures
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a picture file as (height, width, 3) uint8, and its own width and height.

    The picture is turned upright by its EXIF tag; of several frames, the first is read. It is
    resized with antialiasing, and cropped or filled up by `settings`.

    Args:
        path: the file.
        size: height and width of the result.
        settings: how to bring a picture of another shape to it.

    Raises:
        InputError: this is not a picture, and why; the message leaves out the file's name.
    """
    if not path.is_file():
        raise InputError("no file in this folder" if path.is_dir() else "no such file")
    if not path.stat().st_size:
        # Not opened: reading a file of /proc may wait for ever.
        raise InputError("no picture of a known kind")
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                shape = opened.size
                # A JPEG is decoded at a half of its size or less where that is enough.
                opened.draft(None, (2 * size[1], 2 * size[0]))
                image = _rgb(ImageOps.exif_transpose(opened), settings.background)
                return np.asarray(_fitted(image, size, settings)), shape
    except TOO_LARGE:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise InputError("no picture of a known kind") from None
    except PermissionError:
        raise InputError("no permission to read it") from None
    except DAMAGED as error:
        raise InputError(f"damaged picture ({error})") from None


def without_colour(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, 3) as (N, H, W) where none of them has a colour."""
    grey = all((each == each[..., :1]).all() for each in images)
    return np.ascontiguousarray(images[..., 0]) if grey else images


def _rgb(image: Image.Image, background: str) -> Image.Image:
    """Return any picture in 8-bit RGB, with the background in place of transparent pixels."""
    if image.mode[0] in "IF":
        # 16 bits per pixel: Pillow itself would clip all values above 255.
        values = np.asarray(image, np.float64)
        white = 65535 if image.mode[0] == "I" else max(1.0, float(values.max()))
        image = Image.fromarray((values / white * 255).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white" if background == "white" else "black")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _fitted(image: Image.Image, size: tuple[int, int], settings: Pictures) -> Image.Image:
    height, width = size
    if settings.fit == "crop":
        return ImageOps.fit(image, (width, height), RESAMPLE)
    inner = ImageOps.contain(image, (width, height), RESAMPLE)
    right, below = width - inner.width, height - inner.height
    left, top = right // 2, below // 2
    if settings.background == "edge":
        padding = ((top, below - top), (left, right - left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(inner), padding, mode="edge"))
    filled = Image.new("RGB", (width, height), settings.background)
    filled.paste(inner, (left, top))
    return filled
