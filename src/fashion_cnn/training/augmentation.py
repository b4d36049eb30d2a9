"""Augmentation on the device: flip, shift and random erasing, drawn for each image."""

import math

import torch
from torch import Tensor

from fashion_cnn.base.recipes import Augmentation
from fashion_cnn.core.compute import derive_seed

# Random numbers per image, one for each of: flip or not, shift down, shift right, erase or not, and
# the erased rectangle's area, aspect ratio, top and left.
DRAWS = 8
# Source: Zhong et al. (2020), "Random Erasing Data Augmentation", section 3.2.
ERASED_AREA = (0.02, 0.4)
ASPECT_RATIO = (0.3, 1 / 0.3)


def draw(count: int, *seed: int | str) -> Tensor:
    """Return random numbers (count, 8) float32 in [0, 1), a pure function of `seed`."""
    generator = torch.Generator().manual_seed(derive_seed(*seed, "augmentation"))
    return torch.rand(count, DRAWS, generator=generator)


def augment(pixels: Tensor, draws: Tensor, settings: Augmentation) -> Tensor:
    """Return augmented copies of pixels (N, C, H, W) uint8.

    Args:
        pixels: on any device.
        draws: (N, 8) float32 on the same device, from `draw`.
        settings: flip and erase are probabilities per image; shift is the maximum in pixels along
            each axis. Pixels that are erased or shifted in become 0.
    """
    flip, down, right, erase, *rectangle = draws.unbind(dim=1)
    if settings.flip:
        pixels = torch.where(_per_image(flip < settings.flip), pixels.flip(-1), pixels)
    if settings.shift:
        pixels = _shift(pixels, *(_integers(part, settings.shift) for part in (down, right)))
    if settings.erase:
        inside = _rectangles(pixels.shape[-2:], *rectangle) & _per_image(erase < settings.erase)
        pixels = pixels.masked_fill(inside, 0)
    return pixels


def _per_image(values: Tensor) -> Tensor:
    """Shape values (N,) so that they broadcast over images (N, C, H, W)."""
    return values.view(-1, 1, 1, 1)


def _integers(uniform: Tensor, maximum: int) -> Tensor:
    """Map [0, 1) evenly to the integers from -maximum to maximum."""
    return (uniform * (2 * maximum + 1)).long() - maximum


def _shift(pixels: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each image by `down` (N,) and `right` (N,) pixels."""
    count, _, height, width = pixels.shape
    rows = torch.arange(height, device=pixels.device) - down[:, None]
    columns = torch.arange(width, device=pixels.device) - right[:, None]
    image = torch.arange(count, device=pixels.device).view(-1, 1, 1)
    moved = pixels.permute(0, 2, 3, 1)[
        image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None, :
    ]
    return torch.where(inside.unsqueeze(3), moved, 0).permute(0, 3, 1, 2)


def _rectangles(size: torch.Size, area: Tensor, ratio: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Return masks (N, 1, H, W), true inside one rectangle per image.

    Its area, aspect ratio, top and left (N,) are random numbers in [0, 1), mapped to their ranges.
    """
    height, width = size
    (smallest, largest), (flat, tall) = ERASED_AREA, map(math.log, ASPECT_RATIO)
    pixels = height * width * (smallest + (largest - smallest) * area)
    aspect = (flat + (tall - flat) * ratio).exp()
    num_rows = (pixels * aspect).sqrt().round().clamp(1, height)
    num_columns = (pixels / aspect).sqrt().round().clamp(1, width)
    first_row = (top * (height - num_rows + 1)).floor()[:, None]
    first_column = (left * (width - num_columns + 1)).floor()[:, None]
    rows = torch.arange(height, device=area.device)
    columns = torch.arange(width, device=area.device)
    in_rows = (rows >= first_row) & (rows < first_row + num_rows[:, None])
    in_columns = (columns >= first_column) & (columns < first_column + num_columns[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :]).unsqueeze(1)
