"""Files of weights made for tests, without any training."""

from pathlib import Path

from fashion_cnn.dataset.images import Transform
from fashion_cnn.models import lenet
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
