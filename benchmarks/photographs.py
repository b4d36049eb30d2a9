"""`make bench-photos`: what LeNet loses on photographs made from test images.

Garments are enlarged, turned, laid on many backgrounds, saved as JPEG and read as `predict` does.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import cos, radians, sin
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage

from benchmarks import measure
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import write_json, write_text
from fashion_cnn.base.paths import dataset_folder, root, weights_file
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.dataset.images import Images, read
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

IMAGES = 40
"""Test images; each lies on every background."""

Field = np.ndarray
"""(height, width) float, of a photograph."""
WHITE = 240.0
DIRECTIONS = {"right": 0, "upper right": 45, "top": 90, "upper left": 135}
DIRECTIONS |= {"left": 180, "lower left": 225, "bottom": 270, "lower right": 315}


@dataclass(frozen=True)
class Scene:
    """What a garment lies on.

    Attributes:
        page: grey levels of the ground in full light.
        light: the share of full light that reaches each place, in (0, 1].
        noise: standard deviation in grey levels.
    """

    page: Field | float
    light: Field | float = 1.0
    noise: float = 2.0


Background = Callable[[Field, Field, np.random.Generator], Scene]
"""From y and x, both 0 in the middle and 1 at the end of the longer side, to a scene."""


def draw(
    image: np.ndarray, background: Background, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Return a photograph of a garment, and how it was made.

    Scaled 8 to 40 times, turned by up to 10 degrees, margins of 0 to 60% of the longer side.

    Args:
        image: (28, 28) uint8, bright on black, as in the data set.
        background: what the garment lies on.
        random: what every choice is drawn from.

    Returns:
        (height, width) uint8: the inverted garment on the ground; on a ground darker than 64, the
        garment itself; with scale, degrees and margin.
    """
    scale, degrees, margin = (random.uniform(*ends) for ends in ((8, 40), (-10, 10), (0, 0.6)))
    covered = ndimage.binary_fill_holes(image > 12).astype(np.uint8)
    pixels, cover = (_turned(layer, scale, degrees) for layer in (image, 255 * covered))
    box = ndimage.find_objects(np.int8(cover > 127))[0]
    border = round(margin * max(cover[box].shape))
    pixels, cover = (np.pad(layer[box], border).astype(np.float32) for layer in (pixels, cover))
    ends = [np.linspace(-1, 1, side) * side / max(pixels.shape) for side in pixels.shape]
    y, x = np.meshgrid(*ends, indexing="ij")
    scene = background(y, x, random)
    garment = pixels if np.mean(scene.page) < 64 else 255 - pixels
    lit = scene.light * (scene.page + (garment - scene.page) * cover / 255)
    noisy = lit + random.normal(0, scene.noise, lit.shape)
    made = {"scale": scale, "degrees": degrees, "margin": margin}
    return noisy.clip(0, 255).astype(np.uint8), made


def flat(level: float, y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a page of one grey level in even light."""
    return Scene(level)


def gradient(angle: float, y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a white page in light that falls by 10 to 30% towards the side away from it."""
    towards = x * cos(radians(angle)) - y * sin(radians(angle))
    return Scene(WHITE, 1 - random.uniform(0.1, 0.3) * (1 - towards) / 2)


def vignette(y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a white page in light that falls by 15 to 40% towards the corners."""
    return Scene(WHITE, 1 - random.uniform(0.15, 0.4) * (x**2 + y**2) / 2)


def wood(y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a light table: 6 to 14 boards, each of its own level, with a wavy grain."""
    boards = np.floor((x + 1) / 2 * random.integers(6, 15))
    levels = random.normal(0, 6, 16)[boards.clip(0, 15).astype(int)]
    grain = 5 * np.sin(60 * x + 4 * np.sin(3 * y + random.uniform(0, 6)))
    return Scene(200 + levels + grain)


def linen(y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a cloth whose 60 to 150 threads each way cross, with soft folds."""
    threads = random.uniform(60, 150) * np.pi
    folds = 6 * np.sin(random.uniform(2, 6) * (x + random.uniform(-1, 1) * y))
    return Scene(210 + 10 * np.sin(threads * x) * np.sin(threads * y) + folds)


def shadow(y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a white page on which a soft-edged shadow of 7 to 20% lies from one side."""
    angle = random.uniform(0, 2 * np.pi)
    inside = x * cos(angle) + y * sin(angle) - random.uniform(0, 0.5)
    return Scene(WHITE, 1 - random.uniform(0.07, 0.2) / (1 + np.exp(-inside * 40)))


def noise(y: Field, x: Field, random: np.random.Generator) -> Scene:
    """Return a white page with the noise of little light."""
    return Scene(WHITE, noise=random.uniform(6, 20))


BACKGROUNDS: dict[str, Background] = {
    "white page": partial(flat, WHITE),
    "grey page, level 140": partial(flat, 140.0),
    "grey page, level 120": partial(flat, 120.0),
    "dark page, level 30": partial(flat, 30.0),
    **{f"light from the {name}": partial(gradient, angle) for name, angle in DIRECTIONS.items()},
    "vignette": vignette,
    "wood": wood,
    "linen": linen,
    "shadow": shadow,
    "noise": noise,
}


def _turned(layer: np.ndarray, scale: float, degrees: float) -> np.ndarray:
    """Return a layer (28, 28) uint8 enlarged and turned, with all of its corners."""
    side = round(scale * len(layer))
    enlarged = Image.fromarray(layer).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(enlarged.rotate(degrees, Image.Resampling.BILINEAR, expand=True))


def photographs(images: Images, trained: Trained, compute: Compute) -> pd.DataFrame:
    """Return a row per photograph: how it was made, and the network's answers.

    Columns: background, scale, degrees, margin, label, answer, and test_answer to the test image.
    """
    rows: list[dict[str, Any]] = []
    test = _answers(images.pixels, trained, compute)
    for number, (name, background) in enumerate(BACKGROUNDS.items()):
        seen = []
        for index, image in enumerate(images.pixels[:, 0].numpy()):
            pixels, made = draw(image, background, np.random.default_rng([number, index]))
            seen.append(_read(pixels))
            label, answer = images.labels[index].item(), test[index].item()
            rows.append({"background": name, **made, "label": label, "test_answer": answer})
        answers = _answers(torch.from_numpy(np.stack(seen)).unsqueeze(1), trained, compute)
        for row, answer in zip(rows[-len(images) :], answers.tolist(), strict=True):
            row["answer"] = answer
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return by background, scale, turn and margin: n, accuracy, and its share of the test's."""
    scales = ["8 to 16 times as large", "16 to 28 times", "28 to 40 times"]
    turns = ["turned by 0 to 5 degrees", "5 to 10 degrees"]
    margins = ["margin of 0 to 20%", "20 to 40%", "40 to 60%"]
    groups: list[Any] = [
        pd.Series("all", table.index),
        pd.Categorical(table["background"], list(BACKGROUNDS)),
        pd.cut(table["scale"], [8, 16, 28, 40], labels=scales),
        pd.cut(table["degrees"].abs(), [0, 5, 10], labels=turns),
        pd.cut(table["margin"], [0, 0.2, 0.4, 0.6], labels=margins),
    ]
    rows = []
    for values in groups:
        for what, part in table.groupby(values, observed=True):
            right = (part["answer"] == part["label"]).mean()
            on_test = (part["test_answer"] == part["label"]).mean()
            numbers = {"accuracy": right, "test_accuracy": on_test, "share": right / on_test}
            rows.append({"photographs": what, "n": len(part), **numbers})
    return pd.DataFrame(rows).round(3)


def _read(pixels: np.ndarray) -> np.ndarray:
    """Return what the network sees of a photograph, (28, 28) uint8."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "photograph.jpg")
        Image.fromarray(pixels).save(path, quality=90)
        return pictures.read(path).pixels


def _answers(pixels: torch.Tensor, trained: Trained, compute: Compute) -> torch.Tensor:
    images = Images(pixels, torch.full((len(pixels),), -1))
    return predict(trained.network, images, trained.transform, compute, 500).argmax(dim=1)


def main() -> None:
    """Measure, print the summary and write it to benchmarks/results."""
    parser = argparse.ArgumentParser(prog="make bench-photos", description=__doc__)
    parser.parse_args()
    compute = prepare("cpu", "float32")
    trained = weights.load(weights_file("lenet"), "lenet")
    table = photographs(read(dataset_folder(), "t10k")[:IMAGES], trained, compute)
    result = summary(table)
    path = root() / "benchmarks/results/photographs"
    write_text(path.with_suffix(".md"), result.to_markdown(index=False) + "\n")
    rows = result.to_dict(orient="records")
    write_json(
        path.with_suffix(".json"), {"made_with": measure.made_with(compute), "results": rows}
    )
    print(result.to_markdown(index=False))


if __name__ == "__main__":
    run(main)
