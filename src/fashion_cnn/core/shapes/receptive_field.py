"""The receptive field: how many input pixels a unit of a convolutional network looks at."""

from dataclasses import dataclass
from typing import Self

from fashion_cnn.core.shapes.arithmetic import Pair
from fashion_cnn.core.shapes.layers import Layer


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that a layer's units look at, each number as (height, width).

    Attributes:
        size: pixels that one unit looks at.
        jump: pixels between the fields of two neighbouring units, which is the cumulative stride.

    Source: Araujo, Norris & Sim (2019), Computing receptive fields of convolutional neural
    networks.
    """

    size: Pair = (1, 1)
    jump: Pair = (1, 1)

    def grown(self, layer: Layer) -> Self | None:
        """Return the field of a layer whose input has this one, None if it has none."""
        window = layer.window()
        if window is None:
            return None
        (height, width), (down, right) = window
        return type(self)(
            size=(
                self.size[0] + (height - 1) * self.jump[0],
                self.size[1] + (width - 1) * self.jump[1],
            ),
            jump=(self.jump[0] * down, self.jump[1] * right),
        )
