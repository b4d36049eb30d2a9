"""Small recipes for tests: a few steps on the CPU in float32."""

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
    """Return the recipe with `changes`, checked as params.yaml is."""
    return type(recipe).model_validate(recipe.model_dump() | changes)


def lenet(**changes: object) -> params.LeNet:
    """Return a recipe for LeNet: 400 images, 2 epochs."""
    return changed(params.load(ROOT / "params.yaml").lenet, **(SMALL | changes))


def vgg(**changes: object) -> params.VGG:
    """Return a recipe for the reduced VGG: 128 images of 32 pixels, 1 epoch."""
    small = SMALL | {"train_images": 128, "epochs": 1, "image_size": 32}
    return changed(params.load(ROOT / "params.yaml").vgg, **(small | changes))


def vgg11(**changes: object) -> params.VGG11:
    """Return a recipe for VGG-11: 400 images of 32 pixels, 2 epochs."""
    small = SMALL | {"image_size": 32}
    return changed(params.load(ROOT / "params.yaml").vgg11, **(small | changes))


def dataset() -> params.Dataset:
    """Return the committed run's params of the data set."""
    return params.load(ROOT / "params.yaml").dataset
