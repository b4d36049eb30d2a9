"""Augmentation on the device, a draw an image: flip, shift, random erasing."""

import math

import torch
from torch import Tensor

from fashion_cnn.base.compute import derive_seed
from fashion_cnn.base.params import Augmentation

# One uniform number an image for each of: flip or not, shift down, shift right, erase or not,
# and the erased rectangle's area, aspect ratio, top and left.
DRAWS = 8
# Source: Zhong et al. (2020), "Random Erasing Data Augmentation", section 3.2.
ERASED_AREA = (0.02, 0.4)
ASPECT_RATIO = (0.3, 1 / 0.3)


def draw(count: int, *seed: int | str) -> Tensor:
    """Return `count` images' draws (count, 8) float32 in [0, 1), a pure function of `seed`."""
    generator = torch.Generator().manual_seed(derive_seed(*seed, "augmentation"))
    return torch.rand(count, DRAWS, generator=generator)


def augment(pixels: Tensor, draws: Tensor, chosen: Augmentation) -> Tensor:
    """Return augmented copies of pixels (N, 1, H, W) uint8.

    Args:
        pixels: on any device.
        draws: (N, 8) float32 on the same device, from `draw`.
        chosen: flip and erase are probabilities an image; shift is the most pixels each way, and
            what is left empty is 0, as is what is erased.
    """
    flip, down, right, erase, *rectangle = draws.unbind(dim=1)
    if chosen.flip:
        pixels = torch.where(_each(flip < chosen.flip), pixels.flip(-1), pixels)
    if chosen.shift:
        pixels = _shift(pixels, *(_whole(part, chosen.shift) for part in (down, right)))
    if chosen.erase:
        inside = _rectangles(pixels.shape[-2:], *rectangle) & _each(erase < chosen.erase)
        pixels = pixels.masked_fill(inside, 0)
    return pixels


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _whole(uniform: Tensor, most: int) -> Tensor:
    """Spread [0, 1) evenly over the whole numbers -most to most."""
    return (uniform * (2 * most + 1)).long() - most


def _shift(pixels: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each image by `down` (N,) and `right` (N,) pixels."""
    count, _, height, width = pixels.shape
    rows = torch.arange(height, device=pixels.device) - down[:, None]
    columns = torch.arange(width, device=pixels.device) - right[:, None]
    image = torch.arange(count, device=pixels.device).view(-1, 1, 1)
    moved = pixels[:, 0][
        image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None, :
    ]
    return torch.where(inside, moved, 0).unsqueeze(1)


def _rectangles(size: torch.Size, area: Tensor, ratio: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Return masks (N, 1, H, W), true inside a rectangle of drawn area, aspect ratio and place."""
    height, width = size
    (least, most), (flat, tall) = ERASED_AREA, map(math.log, ASPECT_RATIO)
    pixels = height * width * (least + (most - least) * area)
    aspect = (flat + (tall - flat) * ratio).exp()
    tall_by = (pixels * aspect).sqrt().round().clamp(1, height)
    wide_by = (pixels / aspect).sqrt().round().clamp(1, width)
    first_row = (top * (height - tall_by + 1)).floor()[:, None]
    first_column = (left * (width - wide_by + 1)).floor()[:, None]
    rows = torch.arange(height, device=area.device)
    columns = torch.arange(width, device=area.device)
    in_rows = (rows >= first_row) & (rows < first_row + tall_by[:, None])
    in_columns = (columns >= first_column) & (columns < first_column + wide_by[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :]).unsqueeze(1)
