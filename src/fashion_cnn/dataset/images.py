"""Fashion-MNIST on one device: read, split, shuffled, transformed in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.core.compute import derive_seed
from fashion_cnn.dataset import idx

CLASSES = (
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
)
IMAGE_SIZE = 28


@dataclass(frozen=True)
class Images:
    """Pixels (N, 1, 28, 28) uint8 in [0, 255] and labels (N,) int64 in [0, 9]."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Images":
        return Images(self.pixels[index], self.labels[index])

    def to(self, device: torch.device) -> "Images":
        """Return the same images on `device`."""
        return Images(self.pixels.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Transform:
    """Scale to [0, 1], normalise, then resize bilinearly to `image_size` pixels a side."""

    image_size: int
    mean: float
    standard_deviation: float

    def __call__(self, pixels: Tensor) -> Tensor:
        """Turn pixels (N, 1, H, W) uint8 into (N, 1, image_size, image_size) float32."""
        images = pixels.float().div_(255).sub_(self.mean).div_(self.standard_deviation)
        if images.shape[-2:] != (self.image_size, self.image_size):
            # Antialiasing changes only a reduction; in an enlargement it would just cost time.
            images = F.interpolate(
                images,
                size=(self.image_size, self.image_size),
                mode="bilinear",
                antialias=self.image_size < pixels.shape[-1],
            )
        return images.contiguous(memory_format=torch.channels_last)


def read(
    folder: Path,
    subset: Literal["train", "t10k"],
    advice: str = "run `dvc repro download`",
) -> Images:
    """Read the training or the test images from their two IDX files.

    Raises:
        InputError: a file is missing or damaged, or holds images of another size; the message ends
            with `advice`.
    """
    pixels = _read_idx(folder / f"{subset}-images-idx3-ubyte", advice, dimensions=3)
    labels = _read_idx(folder / f"{subset}-labels-idx1-ubyte", advice, dimensions=1)
    if pixels.shape != (len(labels), IMAGE_SIZE, IMAGE_SIZE):
        raise InputError(
            f"{folder}: expected {subset} images of {IMAGE_SIZE}x{IMAGE_SIZE} pixels, one for each "
            f"of {len(labels)} labels, got {tuple(pixels.shape)}: {advice}"
        )
    return Images(pixels.unsqueeze(1), labels.long())


def read_split(
    folder: Path, dataset: Dataset, train_images: int | None = None
) -> tuple[Images, Images]:
    """Read the training file and split it into training and validation images.

    Both are in random order, a pure function of `dataset.split_seed`.

    Args:
        folder: of the four IDX files.
        dataset: how to split.
        train_images: how many of the training images to return; None for all.

    Raises:
        InputError: a file is missing or damaged, or no training image would be left.
    """
    images = read(folder, "train")
    count = dataset.validation_images
    if count >= len(images):
        raise InputError(
            f"dataset.validation_images: expected fewer than the {len(images)} images, got {count}"
        )
    order = shuffled(len(images), dataset.split_seed, "split")
    return images[order[count:][:train_images]], images[order[:count]]


def shuffled(count: int, *seed: int | str) -> Tensor:
    """Return a permutation of range(count), (count,) int64, a pure function of `seed`."""
    generator = torch.Generator().manual_seed(derive_seed(*seed))
    return torch.randperm(count, generator=generator)


def batches(images: Images, batch_size: int, order: Tensor | None = None) -> Iterator[Images]:
    """Yield every image once, `batch_size` at a time; the last batch may be smaller."""
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        yield images[batch] if order is None else images[order[batch]]


def _read_idx(path: Path, advice: str, *, dimensions: int) -> Tensor:
    if not path.is_file():
        raise InputError(f"{path} is missing: {advice}")
    try:
        values = idx.decode(path.read_bytes(), dimensions)
    except InputError as error:
        raise InputError(
            f"{path} is truncated or not an IDX file ({error}): delete it and {advice}"
        ) from None
    return torch.from_numpy(values.copy())
