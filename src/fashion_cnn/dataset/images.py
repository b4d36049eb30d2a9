"""A data set on one device: read, split, shuffled, transformed in batches."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.core.compute import derive_seed
from fashion_cnn.dataset import idx
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind, read_classes


@dataclass(frozen=True)
class Images:
    """Pixels (N, C, H, W) uint8 in [0, 255], labels (N,) int64, and the labels' names.

    C is 1 for grey and 3 for colour; Fashion-MNIST's images are (N, 1, 28, 28).
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...] = FASHION_MNIST.classes

    @property
    def kind(self) -> Kind:
        """What all of them have in common."""
        _, channels, height, width = self.pixels.shape
        return Kind(self.classes, channels, (height, width))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Images":
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    def to(self, device: torch.device) -> "Images":
        """Return the same images on `device`."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Transform:
    """Scale to [0, 1], normalise, then resize bilinearly to `image_size` pixels a side."""

    image_size: int
    mean: float
    standard_deviation: float

    def __call__(self, pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Turn pixels (N, C, H, W) uint8 into (N, C, image_size, image_size) of a float type."""
        images = pixels.float().div_(255).sub_(self.mean).div_(self.standard_deviation).to(dtype)
        if images.shape[-2:] != (self.image_size, self.image_size):
            # Antialiasing changes only a reduction; in an enlargement it would just cost time.
            reduced = self.image_size < pixels.shape[-1]
            # F.interpolate calls these too, but not on CUDA under deterministic algorithms: for the
            # sake of its backward pass, which never runs here, it takes some 40 kernels there.
            kernels = torch.ops.aten
            resize = kernels._upsample_bilinear2d_aa if reduced else kernels.upsample_bilinear2d
            images = resize(images, [self.image_size, self.image_size], align_corners=False)
        return images.contiguous(memory_format=torch.channels_last)


def read(
    folder: Path,
    subset: Literal["train", "t10k"],
    advice: str = "run `dvc repro download`",
) -> Images:
    """Read the training or the test images from their two IDX files.

    Raises:
        InputError: a file is missing or damaged, or does not fit the others; the message ends with
            `advice`.
    """
    pixels = _read_idx(folder / f"{subset}-images-idx3-ubyte", advice, 3, 4)
    labels = _read_idx(folder / f"{subset}-labels-idx1-ubyte", advice, 1)
    classes = read_classes(folder)
    if len(pixels) != len(labels) or pixels.shape[3:] not in {(), (3,)}:
        raise InputError(
            f"{folder}: expected {subset} images (N, H, W) or (N, H, W, 3), one for each of "
            f"{len(labels)} labels, got {tuple(pixels.shape)}: {advice}"
        )
    if (highest := int(labels.max())) >= len(classes):
        raise InputError(
            f"{folder}: expected {subset} labels from 0 to {len(classes) - 1}, got {highest}: "
            f"{advice}"
        )
    grey = pixels.ndim == 3
    channels_first = pixels.unsqueeze(1) if grey else pixels.permute(0, 3, 1, 2).contiguous()
    return Images(channels_first, labels.long(), classes)


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


def displayed(pixels: Tensor) -> np.ndarray:
    """Return an image (C, H, W) as it is drawn: (H, W) where it is grey, (H, W, 3) in colour."""
    return (pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).cpu().numpy()


def batches(images: Images, batch_size: int, order: Tensor | None = None) -> Iterator[Images]:
    """Yield every image once, `batch_size` at a time; the last batch may be smaller."""
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        yield images[batch] if order is None else images[order[batch]]


def _read_idx(path: Path, advice: str, *dimensions: int) -> Tensor:
    if not path.is_file():
        raise InputError(f"{path} is missing: {advice}")
    try:
        values = idx.decode(path.read_bytes(), *dimensions)
    except InputError as error:
        raise InputError(
            f"{path} is truncated or not an IDX file ({error}): delete it and {advice}"
        ) from None
    return torch.from_numpy(values.copy())
