"""Small recipes for tests: a few steps on the CPU in float32."""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from fashion_cnn.base import params
from fashion_cnn.base.recipes import VGG, VGG11, LeNet, Recipe
from tests.conftest import ROOT

SMALL = {
    "train_images": 400,
    "epochs": 2,
    "batch_size": 32,
    "device": "cpu",
    "precision": "float32",
    "clip_norm": None,
    "augmentation": {},
}
LOG_INTERVAL = 5
R = TypeVar("R", bound=Recipe)


@cache
def committed() -> params.Params:
    """Return the committed run's params."""
    return params.load(ROOT / "params.yaml")


def changed(recipe: R, **changes: object) -> R:
    """Return the recipe with `changes`, checked as params.yaml is."""
    return type(recipe).model_validate(recipe.model_dump() | changes)


def lenet(**changes: object) -> LeNet:
    """Return a recipe for LeNet: 400 images, 2 epochs."""
    return changed(committed().lenet, **(SMALL | changes))


def vgg(**changes: object) -> VGG:
    """Return a recipe for the reduced VGG: 128 images of 32 pixels, 1 epoch."""
    small = SMALL | {"train_images": 128, "epochs": 1, "image_size": 32}
    return changed(committed().vgg, **(small | changes))


def vgg11(**changes: object) -> VGG11:
    """Return a recipe for VGG-11: 400 images of 32 pixels, 2 epochs."""
    small = SMALL | {"image_size": 32}
    return changed(committed().vgg11, **(small | changes))


def dataset() -> params.Dataset:
    """Return the committed run's params of the data set, with fewer images for validation."""
    return committed().dataset.model_copy(update={"validation_images": 1000})


def train_metrics(project: Path, model: str = "lenet") -> dict[str, Any]:
    """Return what a project's metrics/train/MODEL.json holds, in one section."""
    content = json.loads((project / f"metrics/train/{model}.json").read_text())
    return {**content[model], **content["details"][0]}
