"""A photograph of a garment -> the garment alone: the ground it lies on is found and taken away."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Pixels of a photograph's longer side in which a garment is looked for.
WORKING_SIDE = 160
# The fit of the ground takes every fourth of them.
STRIDE = 4
# A clean ground is even within these grey levels: 5% of white, as for the data set's authors.
EVEN = 0.05 * 255
# Light and shadow on a ground differ by no more than this.
SHADOW = 80.0
# A shadow lies along at least this share of the border.
SHADOW_BORDER = 0.03
# A smaller share of a picture is no garment if there is a shadow to be one.
SMALLEST = 0.03
# On a ground darker than this, a garment that is brighter keeps its levels.
DARK = 80.0
# Parts closer than this share of the longer side of the largest belong to one garment.
GAP = 0.08
# Less than this share of the largest thing is a speck; more than that is another thing.
SPECK, ANOTHER = 0.02, 0.25
BESIDE = ndimage.generate_binary_structure(2, 1)
AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Garment:
    """What lies on a ground.

    Attributes:
        pixels: (height, width) float32 in [0, 255]: the garment's own levels, inverted unless the
            ground is dark; 0 around it. Cut to the garment's box; empty where nothing was found.
        box: its rows and columns in the picture.
        things: how many things of a similar size there are; 0 where nothing was found.
    """

    pixels: np.ndarray
    box: tuple[slice, slice]
    things: int


def find(grey: np.ndarray, *, invert: bool | None = None) -> Garment:
    """Find the largest thing that differs from the ground by more than the ground's own noise.

    Args:
        grey: (height, width) float32 in [0, 255], at most WORKING_SIDE a side.
        invert: whether to invert it; None for all but a bright garment on a dark ground.
    """
    ground = surface(grey)
    difference = grey - ground
    for blur in (0.0, 0.8, 1.6):
        seen = ndimage.gaussian_filter(difference, blur) if blur else difference
        strength = np.abs(seen)
        dark = _filled(ndimage.maximum_filter(strength > SHADOW, 5))
        shadow = _along_border((strength > EVEN) & ~dark, SHADOW_BORDER)
        # The median of a normal distribution's size is 0.67 standard deviations.
        noise = np.median(strength[(strength < SHADOW) & ~shadow][::4]) / 0.67
        limit = max(EVEN, 4 * noise)
        if limit < 2 * EVEN:
            break
    thing, things = _largest((strength > limit) & ~shadow)
    if thing.mean() < SMALLEST:
        # What looked like a shadow is the garment, faint and up to the border.
        thing, things = _largest(strength > limit)
    if not things:
        return Garment(np.zeros((0, 0), np.float32), (slice(0), slice(0)), 0)
    if invert is None:
        invert = np.median(ground) > DARK or difference[thing].mean() < 0
    # Where a picture is blurred, a garment ends at a half of its contrast.
    edge = ndimage.maximum_filter(~thing, 3) & thing
    blurred = edge & (strength < ndimage.maximum_filter(strength, 5) / 2)
    inside = _filled(thing & ~blurred)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if invert:
        full = ground.max()
        levels = full - grey * full / np.maximum(ground, 1) + inside * (255 - full)
    else:
        levels = difference + inside * ground
    pixels = np.where(thing | inside, levels, 0).clip(0, 255)
    return Garment(pixels[box].astype(np.float32), box, things)


def surface(grey: np.ndarray) -> np.ndarray:
    """Return the ground (height, width) as a polynomial of degree 2 that ignores what lies on it.

    It begins as the level of a corner, or the plane through three, whichever most of the border
    agrees with, and goes on with all places that agree with it and reach the border.
    """
    coarse = ndimage.uniform_filter(grey, STRIDE)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    coarse = coarse if min(coarse.shape) > 7 else grey
    terms = np.stack(np.broadcast_arrays(*_terms(*coarse.shape)), axis=-1)
    edge = max(1, round(min(coarse.shape) / 10))
    border = np.ones(coarse.shape, bool)
    border[edge:-edge, edge:-edge] = False
    ends = np.r_[:edge, -edge:0]
    corners = np.ix_(ends, ends)
    levels = np.median(_patches(coarse[corners]), axis=1)
    places = _patches(terms[corners]).mean(axis=1)
    begun = np.zeros((8, 6))
    begun[:4, 0] = levels
    three = np.array([(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)])
    begun[4:, :3] = (np.linalg.pinv(places[three, :3]) @ levels[three, None])[..., 0]
    agreeing = (np.abs(coarse[border] - begun @ terms[border].T) < EVEN).sum(axis=1)
    found = begun[agreeing.argmax()]
    agree, limit = border, EVEN
    for _ in range(8):
        difference = np.abs(coarse - terms @ found)
        before, agree = agree, _along_border(difference < limit, 0)
        if agree.sum() < 12 or np.array_equal(before, agree):
            break
        limit = min(max(EVEN, 4.5 * np.median(difference[agree])), 1.5 * EVEN)
        rows = terms[agree]
        # Curvature that few places ask for is none; nor is a slope in a picture one pixel wide.
        ridge = np.diag([1e-6] * 3 + [0.02] * 3) * len(rows)
        found = np.linalg.solve(rows.T @ rows + ridge, rows.T @ coarse[agree])
    low, high = np.percentile(coarse[agree], (2, 98)) if agree.any() else (0, 255)
    fitted = sum(factor * term for factor, term in zip(found, _terms(*grey.shape), strict=True))
    return np.clip(fitted, low, high)


def _terms(height: int, width: int) -> list[np.ndarray]:
    """Return the terms of a polynomial of degree 2 in y and x, which broadcast."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return [np.ones((1, 1)), x, y, x * x - 1 / 3, x * y, y * y - 1 / 3]


def _patches(corners: np.ndarray) -> np.ndarray:
    """Return four corners (2 n, 2 n, ...) of a picture as (4, n * n, ...)."""
    side, rest = len(corners) // 2, corners.shape[2:]
    split = corners.reshape(2, side, 2, side, *rest).swapaxes(1, 2)
    return split.reshape(4, side * side, *rest)


def _along_border(mask: np.ndarray, share: float) -> np.ndarray:
    """Return the connected parts of a mask that hold more than a share of the border's pixels."""
    labels, count = ndimage.label(mask, BESIDE)
    border = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    held = np.bincount(np.concatenate(border), minlength=count + 1)
    kept = held > share * held.sum()
    kept[0] = False
    return kept[labels]


def _filled(mask: np.ndarray) -> np.ndarray:
    """Return a mask with its holes: all but what reaches the border outside of it.

    As ndimage.binary_fill_holes, in a quarter of the time.
    """
    return ~_along_border(~mask, 0)


def _largest(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the largest group of parts that lie close together, and the number of such things."""
    labels, count = ndimage.label(mask, AROUND)
    if not count:
        return mask, 0
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept = (areas >= SPECK * areas.max())[labels] & mask
    box = ndimage.find_objects(labels)[areas.argmax() - 1]
    reach = max(1, round(GAP / 2 * max(side.stop - side.start for side in box)))
    groups, _ = ndimage.label(ndimage.maximum_filter(kept, 2 * reach + 1), AROUND)
    sizes = np.bincount(groups[kept])
    return kept & (groups == sizes.argmax()), int((sizes >= ANOTHER * sizes.max()).sum())
