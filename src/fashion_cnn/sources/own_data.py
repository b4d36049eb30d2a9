"""Images of one's own in the place of Fashion-MNIST: a folder in its very format."""

import gzip
import math
import struct
import zlib
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources.files import FILES, write

NUM_CLASSES = 10
IMAGE_SHAPE = (28, 28)


def adopt(folder: Path, watched: Path, destination: Path) -> None:
    """Write the four files of `folder`, checked and decompressed, to `destination`.

    Args:
        folder: holds the four IDX files, as .gz or decompressed, of any number of images.
        watched: the folder that DVC watches; `folder` must lie in it.
        destination: a folder, replaced as a whole or left as it was.

    Raises:
        InputError: `folder` lies elsewhere, or a file is missing or not of the format.

    Source: LeCun, Cortes & Burges, "The MNIST database", file format.
    """
    if not folder.resolve().is_relative_to(watched.resolve()) or not folder.is_dir():
        raise InputError(
            f"dataset.folder: expected null or a folder in data/{watched.name}/, which DVC "
            f"watches, got '{folder}'"
        )
    contents = {file.name: _read(folder / file.name) for file in FILES}
    for subset in ("train", "t10k"):
        images, labels = f"{subset}-images-idx3-ubyte", f"{subset}-labels-idx1-ubyte"
        (num_images, *shape), (num_labels,) = (
            _sizes(folder / name, contents[name]) for name in (images, labels)
        )
        if tuple(shape) != IMAGE_SHAPE:
            raise InputError(f"{folder / images}: expected images of 28x28, got {shape}")
        if num_images != num_labels or not num_images:
            raise InputError(f"{folder}: {num_images} {subset} images, {num_labels} labels")
        if max(contents[labels][8:]) >= NUM_CLASSES:
            raise InputError(f"{folder / labels}: expected labels of 0 to 9")
    write(destination, contents)


def _read(path: Path) -> bytes:
    packed = path.with_name(f"{path.name}.gz")
    try:
        return path.read_bytes() if path.is_file() else gzip.decompress(packed.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds neither {path.name} nor {packed.name}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: damaged gzip ({error})") from None


def _sizes(path: Path, content: bytes) -> tuple[int, ...]:
    """Return the sizes that the header of an IDX file of unsigned bytes names."""
    dimensions = 3 if "idx3" in path.name else 1
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise InputError(f"{path}: expected an IDX file of {dimensions} dimension(s) of bytes")
    sizes = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) != (expected := header + math.prod(sizes)):
        raise InputError(f"{path}: expected {expected} bytes, got {len(content)}")
    return sizes
