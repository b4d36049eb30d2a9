"""LeNet for grey or colour images: two convolutions, three fully connected layers."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from fashion_cnn.core.compute import he_normal
from fashion_cnn.core.shapes import Conv, Flatten, Input, Pool, trace
from fashion_cnn.core.shapes.arithmetic import positive


class LeNet(nn.Sequential):
    """Images (N, in_channels, image_size, image_size) -> logits (N, num_classes).

    Source: LeCun et al. (1998), LeNet-5, with ReLU, max-pooling and unpadded convolutions.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        in_channels: int = 1,
        num_classes: int = 10,
        initialization: Literal["he", "torch"] = "he",
    ) -> None:
        """Derive the size of the classifier's input from `image_size`, in pixels per side.

        Args:
            image_size: see above.
            in_channels: 1 for grey, 3 for colour.
            num_classes: outputs of the last layer.
            initialization: he for He et al. (2015), torch for the layers' own initial weights.

        Raises:
            ShapeError: a layer's kernel is larger than its input.
        """
        features = [
            Input(in_channels, positive("image_size", image_size)),
            Conv(6, 5, name="conv1", kind="Conv2d"),
            Pool(2, name="pool1", kind="MaxPool2d"),
            Conv(16, 5, name="conv2", kind="Conv2d"),
            Pool(2, name="pool2", kind="MaxPool2d"),
            Flatten(),
        ]
        (num_features,) = trace(features)[-1].output_shape
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, 6, 5),  # (6, 24, 24) for 28 pixels
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),  # (6, 12, 12)
                conv2=nn.Conv2d(6, 16, 5),  # (16, 8, 8)
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),  # (16, 4, 4)
                flatten=nn.Flatten(),  # (256,)
                fc1=nn.Linear(num_features, 120),
                relu3=nn.ReLU(),
                fc2=nn.Linear(120, 84),
                relu4=nn.ReLU(),
                fc3=nn.Linear(84, num_classes),
            )
        )
        if initialization == "he":
            he_normal(self)


build = LeNet
