"""Files of weights made for tests, without any training."""

from pathlib import Path

from fashion_cnn.core.compute import seeded
from fashion_cnn.dataset.images import Transform
from fashion_cnn.models import lenet, vgg
from fashion_cnn.trained import weights


def save_lenet(path: Path) -> None:
    """Write an untrained LeNet, as its training writes one."""
    weights.save(
        path,
        lenet.build(),
        model="lenet",
        architecture={"image_size": 28},
        transform=Transform(28, 0.5, 0.5),
        recipe={},
        made_with={},
    )


def save_vgg(path: Path) -> None:
    """Write an untrained reduced VGG for images of 32 pixels, as its training writes one."""
    with seeded(0, "initial weights"):
        network = vgg.build(image_size=32)
    weights.save(
        path,
        network,
        model="vgg",
        architecture={"image_size": 32, "width_divisor": 8},
        transform=Transform(32, 0.5, 0.5),
        recipe={},
        made_with={},
    )
