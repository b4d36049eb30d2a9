"""VGG-11 for grey or colour images, every width divided by `width_divisor`."""

from collections import OrderedDict
from math import prod

from torch import nn

from fashion_cnn.core.compute import he_normal
from fashion_cnn.core.shapes import Conv, Input, Layer, Pool, ShapeError, trace
from fashion_cnn.core.shapes.arithmetic import positive

# Convolutions and their output channels, one row per block; each ends in a 2/2 max-pool.
BLOCKS = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
HIDDEN = 4096


class VGG(nn.Sequential):
    """Images (N, in_channels, image_size, image_size) -> logits (N, num_classes).

    Source: Simonyan & Zisserman (2015), table 1, configuration A; initial weights by He et al.
    (2015).
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        width_divisor: int = 8,
        in_channels: int = 1,
        num_classes: int = 10,
    ) -> None:
        """Derive the size of the classifier's input from `image_size`, in pixels per side.

        Raises:
            ShapeError: the image is too small for five halvings, or `width_divisor` does not
                divide every width.
        """
        if BLOCKS[0][1] % positive("width_divisor", width_divisor):
            raise ShapeError(
                f"features.0 (Conv2d): width_divisor: expected a divisor of {BLOCKS[0][1]}, "
                f"got {width_divisor}"
            )
        layers: list[nn.Module] = []
        described: list[Layer] = [Input(in_channels, positive("image_size", image_size))]
        channels = in_channels
        for convolutions, full_width in BLOCKS:
            width = full_width // width_divisor
            for _ in range(convolutions):
                name = f"features.{len(layers)}"
                described.append(Conv(width, 3, padding=1, name=name, kind="Conv2d"))
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            described.append(Pool(2, name=f"features.{len(layers)}", kind="MaxPool2d"))
            layers.append(nn.MaxPool2d(2))
        num_features = prod(trace(described)[-1].output_shape)
        hidden = HIDDEN // width_divisor
        classifier = nn.Sequential(
            nn.Linear(num_features, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )
        features = nn.Sequential(*layers)
        super().__init__(
            OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier)
        )
        he_normal(self)


build = VGG
