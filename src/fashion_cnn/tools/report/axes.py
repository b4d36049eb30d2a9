"""Values -> places on a drawing, with round numbers as marks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` over the places from `start` to `end`, with its marks."""

    low: float
    high: float
    start: float
    end: float
    marks: tuple[tuple[float, str], ...]

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def axis(values: Sequence[float], start: float, end: float, percent: bool = False) -> Axis:
    """Return an axis over round numbers that holds the values."""
    low, high = float(np.min(values)), float(np.max(values))
    if low == high:
        low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
    places = round_numbers(low, high, 4)
    scale = 100 if percent else 1
    step = (places[1] - places[0]) * scale
    digits = max(0, -int(np.floor(np.log10(step))) + (f"{step:.1e}"[2] == "5" and step < 10))
    unit = "%" if percent else ""
    marks = tuple(
        (round(float(place), 10), f"{place * scale + 0.0:.{digits}f}{unit}".replace("-", "−"))
        for place in places
    )
    return Axis(float(places[0]), float(places[-1]), start, end, marks)


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return about `most` round numbers from at or below `low` to at or above `high`."""
    locator = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])
    return [float(place) for place in locator.tick_values(low, high)]
