"""Photographs made from test images are what they should be, and are summed up right."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import photographs
from fashion_cnn.base import models
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset.images import Transform, read
from fashion_cnn.trained.weights import Trained


def test_photographs_are_garments_on_every_background(fashion_mnist: Path) -> None:
    image = read(fashion_mnist, "t10k").pixels[0, 0].numpy()
    for name, background in photographs.BACKGROUNDS.items():
        made, how = photographs.draw(image, background, np.random.default_rng(1))
        again, _ = photographs.draw(image, background, np.random.default_rng(1))
        assert np.array_equal(made, again), name
        # The boot fills its image's width.
        width = 28 * how["scale"] * (1 + 2 * how["margin"])
        assert made.shape[1] == pytest.approx(width, rel=0.15)
        # It is darker than the ground, except on the dark page.
        height, middle = made.shape[0], made[:, made.shape[1] // 2].astype(int)
        away = middle[height // 2 : -height // 5].mean() - middle[:4].mean()
        assert (away > 20) == name.startswith("dark"), name


def test_the_photographs_accuracy_is_summed_up(fashion_mnist: Path) -> None:
    with seeded("photographs"):
        trained = Trained(models.build("lenet", image_size=28), Transform(28, 0.5, 0.5), {}, {})
    images = read(fashion_mnist, "t10k")[:2]
    table = photographs.photographs(images, trained, prepare("cpu", "float32"))
    assert len(table) == 2 * len(photographs.BACKGROUNDS)
    table["answer"], table["test_answer"] = table["label"], table["label"]
    table.loc[table["background"] == "wood", "answer"] = 99
    found = photographs.summary(table).set_index("photographs")
    assert found["n"].sum() == 5 * len(table)
    assert found.loc["wood", "share"] == 0
    assert found.loc["linen", "share"] == 1
    assert found.loc["all", "accuracy"] == pytest.approx(1 - 2 / len(table), abs=1e-3)
