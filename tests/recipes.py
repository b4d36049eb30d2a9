"""Small recipes for tests: real images, a few steps, on the CPU in float32."""

from typing import TypeVar

from fashion_cnn.base import params
from tests.conftest import ROOT

SMALL = {
    "train_images": 400,
    "epochs": 2,
    "batch_size": 32,
    "device": "cpu",
    "precision": "float32",
    "log_interval": 5,
}
R = TypeVar("R", bound=params.Recipe)


def changed(recipe: R, **changes: object) -> R:
    """The same recipe but for `changes`, checked as params.yaml is."""
    return type(recipe).model_validate(recipe.model_dump() | changes)


def lenet(**changes: object) -> params.LeNet:
    """LeNet on 400 images, 2 epochs."""
    return changed(params.load(ROOT / "params.yaml").lenet, **(SMALL | changes))


def vgg(**changes: object) -> params.VGG:
    """The reduced VGG, with dropout, on 128 images of 32 pixels, an epoch."""
    small = SMALL | {"train_images": 128, "epochs": 1, "image_size": 32}
    return changed(params.load(ROOT / "params.yaml").vgg, **(small | changes))


def dataset() -> params.Dataset:
    """How the committed run splits and normalises."""
    return params.load(ROOT / "params.yaml").dataset
