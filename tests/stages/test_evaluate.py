"""The stage on a few images, as DVC runs it: every file, or one clear error."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from fashion_cnn.dataset.images import Transform
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.models import lenet
from fashion_cnn.trained import weights
from tests.conftest import Shell, put_preset

WRITTEN = ("data/predictions", "metrics/evaluate", "plots")


@pytest.fixture
def ten_images(clone: Path, shell: Shell, fashion_mnist: Path) -> Path:
    """A clone that evaluates on ten images, none of them of a dress."""
    (clone / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    put_preset(clone, shell, "smoke", ("test_images: 500", "test_images: 10"))
    for folder in WRITTEN:
        shutil.rmtree(clone / folder, ignore_errors=True)
    return clone


def save(network: nn.Module, folder: Path) -> None:
    weights.save(
        folder / "data/models/lenet.safetensors",
        network,
        model="lenet",
        architecture={"image_size": 28},
        transform=Transform(28, 0.5, 0.5),
        recipe={"seed": 0},
        made_with={},
    )


def written(folder: Path) -> list[Path]:
    return [path for name in WRITTEN for path in (folder / name).rglob("*") if path.is_file()]


def test_ten_images_and_an_absent_class_give_every_file(ten_images: Path, shell: Shell) -> None:
    save(lenet.build(), ten_images)
    command = ("python", "stages/evaluate.py", "lenet")
    done = shell(*command, cwd=ten_images, PYTHONPATH=str(ten_images / "src"))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(written(ten_images)) == 1 + 1 + 3 + 6
    metrics = json.loads((ten_images / "metrics/evaluate/lenet.json").read_text())
    assert list(metrics["lenet"]) == ["accuracy", "macro_f1", "loss"]
    (details,) = metrics["details"]
    assert set(details) == {
        *("images", "accuracy_low", "accuracy_high", "top_2_accuracy"),
        *("parameters", "multiply_accumulates", "weight_bytes", "evaluated_with"),
    }
    assert details["images"] == 10
    # A network is evaluated in the precision that it was trained in.
    assert details["evaluated_with"]["precision"] == "float32"
    path = ten_images / "data/models/lenet.safetensors"
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    assert details["evaluated_with"]["weights_md5"] == digest
    reliability = json.loads((ten_images / "plots/reliability/lenet.json").read_text())
    assert 0 <= reliability["lenet"]["expected_calibration_error"] <= 1
    assert sum(each["images"] for each in reliability["bins"]) == 10
    classes = pd.read_csv(ten_images / "plots/classes/lenet.csv")
    assert list(classes.columns) == ["class", "precision", "recall", "f1", "images"]
    assert not classes.isna().any(axis=None)
    assert classes.set_index("class").loc[FASHION_MNIST.classes[3], "images"] == 0
    speed = json.loads((ten_images / "runs/lenet/evaluate.json").read_text())
    assert speed.keys() == {"images_per_second", "milliseconds_per_image"}
    logs = sorted(path.parent.name for path in (ten_images / "runs").rglob("events.*"))
    assert len(logs) == 2
    assert logs[0] == "lenet"


def test_weights_that_diverged_write_nothing(ten_images: Path, shell: Shell) -> None:
    network = lenet.build()
    nn.init.constant_(network.get_parameter("fc3.bias"), torch.nan)
    save(network, ten_images)
    command = ("python", "stages/evaluate.py", "lenet")
    done = shell(*command, cwd=ten_images, PYTHONPATH=str(ten_images / "src"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "lenet.safetensors: fc3.bias: expected numbers from -10000 to 10000" in done.stderr
    assert done.stderr.count("\n") == 1
    assert written(ten_images) == []
