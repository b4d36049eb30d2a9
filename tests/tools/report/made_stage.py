"""A stage of the made project: writes what the pipeline's stages write of a network, in little."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from ruamel.yaml import YAML

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
IMAGES = 600


def predictions(model: str, skill: float) -> pd.DataFrame:
    """Answers to 600 images, the better the more skill."""
    numbers = np.random.default_rng(["lenet", "vgg", "vgg11"].index(model))
    labels = np.arange(IMAGES) % 10
    logits = numbers.normal(size=(IMAGES, 10)) + skill * np.eye(10)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(shares, columns=CLASSES)
    table.insert(0, "index", range(IMAGES))
    table.insert(1, "label", np.array(CLASSES)[labels])
    table.insert(2, "predicted", np.array(CLASSES)[shares.argmax(axis=1)])
    return table


def write(path: str, content: str | bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())


def picture(path: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((320, 240)).save(path)


def run(model: str) -> None:
    values = YAML(typ="safe").load(Path("params.yaml"))[model]
    table = predictions(model, values["skill"])
    write(f"data/predictions/{model}.csv", table.to_csv(index=False, float_format="%.6f"))
    pairs = table[["label", "predicted"]].rename(columns={"label": "actual"})
    write(f"plots/confusion/{model}.csv", pairs.to_csv(index=False))
    right = table["label"] == table["predicted"]
    scores = [
        {"class": name, "precision": 0.9, "recall": float(right[table["label"] == name].mean())}
        for name in CLASSES
    ]
    write(
        f"plots/classes/{model}.csv",
        pd.DataFrame(scores).assign(f1=0.9, images=IMAGES // 10).to_csv(index=False),
    )
    losses = [1 / (epoch + values["skill"]) for epoch in range(values["epochs"])]
    curve = pd.DataFrame({"epoch": range(1, len(losses) + 1), "train_loss": losses})
    curve = curve.assign(validation_loss=curve.train_loss + 0.1)
    curve = curve.assign(train_accuracy=1 - curve.train_loss / 3, learning_rate=0.1)
    curve = curve.assign(validation_accuracy=curve.train_accuracy - 0.02)
    write(f"plots/training/{model}.csv", curve.to_csv(index=False))
    last = {"epoch": 3, "validation_accuracy": 0.3 * values["skill"], "validation_loss": 0.3}
    made_with = {"device": "cpu", "precision": "float32", "python": "3.11", "torch": "2.14.1"}
    write(f"metrics/train/{model}.json", json.dumps(last | {"made_with": made_with}))
    measured = {
        "images": IMAGES,
        "accuracy": float(right.mean()),
        "top_2_accuracy": 0.95,
        "macro_f1": 0.9,
        "loss": 0.3,
        "expected_calibration_error": 0.02,
        "parameters": 44426,
        "multiply_accumulates": 281640,
        "weight_bytes": 178752,
    }
    write(f"metrics/evaluate/{model}.json", json.dumps(measured))
    dead = {"images": 100, "channels": 22, "dead_channels": 1}
    write(f"metrics/export_images/{model}.json", json.dumps(dead))
    skilled = int(10 * values["skill"])
    for number, name in enumerate(("conv1", "conv2")):
        picture(f"plots/kernels/{model}/{name}.png", number + skilled)
        for image in ("3", "17"):
            picture(
                f"plots/feature_maps/{model}/{image}/{name}.png", number + int(10 * values["skill"])
            )
    picture(f"plots/grad_cam/{model}.png", 2)
    for name in ("confident_mistakes", "likely_mislabelled"):
        picture(f"plots/evaluate/{model}/{name}.png", 3)
    for name in ("confusion_normalized", "reliability"):
        picture(f"plots/evaluate/{model}/{name}.png", skilled)


def compare() -> None:
    test = {"first_only_right": 30, "second_only_right": 10, "p_value": 0.0022}
    pairs = [
        {"first": first, "second": second, **test}
        for first, second in (("lenet", "vgg"), ("lenet", "vgg11"), ("vgg", "vgg11"))
    ]
    write(
        "metrics/compare_models.json",
        json.dumps({"pairs": pairs, "all_wrong": 7, "images": IMAGES}),
    )


if __name__ == "__main__":
    if sys.argv[1] == "download":
        write("data/fashion_mnist/images", "made")
    elif sys.argv[1] == "compare":
        compare()
    else:
        run(sys.argv[1])
