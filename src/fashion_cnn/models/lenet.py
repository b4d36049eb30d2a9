"""LeNet for one-channel images: two convolutions, three fully connected layers."""

from collections import OrderedDict

from torch import nn

from fashion_cnn.shapes import trace


class LeNet(nn.Sequential):
    """Images (N, 1, image_size, image_size) -> logits (N, num_classes).

    Source: LeCun et al. (1998), LeNet-5, with ReLU, max-pooling and unpadded convolutions.
    """

    def __init__(self, *, image_size: int = 28, num_classes: int = 10) -> None:
        """Derive the classifier's input from `image_size`, in pixels a side.

        Raises:
            ShapeError: a layer's kernel is larger than what reaches it.
        """
        features: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, 6, 5),  # (6, 24, 24) of 28 pixels
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),  # (6, 12, 12)
            conv2=nn.Conv2d(6, 16, 5),  # (16, 8, 8)
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),  # (16, 4, 4)
            flatten=nn.Flatten(),  # (256,)
        )
        (num_features,) = trace(nn.Sequential(features), (1, image_size, image_size))[
            -1
        ].output_shape
        classifier = OrderedDict(
            fc1=nn.Linear(num_features, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, num_classes),
        )
        super().__init__(features | classifier)


build = LeNet
