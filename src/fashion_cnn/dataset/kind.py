"""What the images of a data set have in common: their classes, channels and size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset import idx

CLASSES_FILE = "classes.txt"
# The other columns of a table of predictions, in which each class has one.
TAKEN = frozenset({"index", "label", "predicted"})


@dataclass(frozen=True)
class Kind:
    """What every image of a data set is.

    Attributes:
        classes: their names, in the order of the labels.
        channels: 1 for grey, 3 for red, green and blue.
        size: height and width, in pixels.
    """

    classes: tuple[str, ...]
    channels: int
    size: tuple[int, int]

    def describe(self) -> str:
        """Return the kind in a few words."""
        height, width = self.size
        colour = "grey" if self.channels == 1 else "colour"
        names = ", ".join(self.classes[:3]) + (", ..." if len(self.classes) > 3 else "")
        return f"{height}x{width} pixels in {colour} of {len(self.classes)} classes ({names})"

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of a network's `build` that depend on the data."""
        return {"in_channels": self.channels, "num_classes": len(self.classes)}


FASHION_MNIST = Kind(
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    channels=1,
    size=(28, 28),
)


def read_classes(folder: Path) -> tuple[str, ...]:
    """Return the names in a data set's classes.txt, one a line; Fashion-MNIST's without the file.

    Raises:
        InputError: it can't be read, or does not hold at least two different names that may be.
    """
    path = folder / CLASSES_FILE
    if not path.exists():
        return FASHION_MNIST.classes
    try:
        names = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected UTF-8 text, one class a line ({error})") from None
    classes = tuple(name.strip() for name in names if name.strip())
    if len(classes) < 2 or len({*classes}) < len(classes):
        raise InputError(
            f"{path}: expected at least two classes, one a line, each once, got {len(classes)} "
            f"lines with {len({*classes})} different names"
        )
    if taken := sorted(TAKEN & {*classes}):
        raise InputError(f"{path}: no class may have the name {taken[0]!r}: rename it")
    return classes


def read_kind(folder: Path) -> tuple[Kind, int]:
    """Return the kind of a downloaded data set's images, and how many are for training.

    Raises:
        InputError: the training images are missing or damaged.
    """
    path = folder / "train-images-idx3-ubyte"
    try:
        with path.open("rb") as stream:
            count, *size = idx.sizes(stream.read(idx.LONGEST_HEADER))
    except (OSError, InputError) as error:
        raise InputError(f"{path} can't be read ({error}): run `dvc repro download`") from None
    return Kind(read_classes(folder), *_channels_and_size(size)), count


def _channels_and_size(size: list[int]) -> tuple[int, tuple[int, int]]:
    height, width, channels = (*size, 1)[:3]
    return channels, (height, width)
