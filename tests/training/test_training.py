"""A training writes its files, repeats their bytes, and shows in TensorBoard."""

import hashlib
import json
import math
import shutil
import signal
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.recipes import VGG, Recipe
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.models import lenet, vgg
from fashion_cnn.tracing import trace_network
from fashion_cnn.trained import weights
from fashion_cnn.training import run as training_run
from fashion_cnn.training.checkpoint import fingerprint
from fashion_cnn.training.tracking import Tracker
from tests import recipes

LAYERS = json.dumps([asdict(row) for row in trace_network(lenet.build(), (1, 28, 28))])


@pytest.fixture
def project(tmp_path: Path, fashion_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with data and shapes, as the working folder."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "plots" / "shapes").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    for model in ("lenet", "vgg"):
        (tmp_path / "plots" / "shapes" / f"{model}.json").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(project: Path, recipe: Recipe, *, keep_epochs: bool = False) -> dict[str, str]:
    """Train, and return the SHA-256 of each file that is written outside runs/."""
    model, build = ("vgg", vgg.build) if isinstance(recipe, VGG) else ("lenet", lenet.build)
    kept = {"keep_epochs": True} if keep_epochs else {}
    training_run.train(model, build, recipe, recipes.dataset(), recipes.LOG_INTERVAL, **kept)
    return {
        name: hashlib.sha256((project / name).read_bytes()).hexdigest()
        for name in (
            f"data/models/{model}.safetensors",
            f"data/initial_kernels/{model}.safetensors",
            f"metrics/train/{model}.json",
            f"plots/training/{model}.csv",
            *([f"data/epoch_weights/{model}.safetensors"] if keep_epochs else []),
        )
    }


def test_the_same_recipe_makes_the_same_bytes_and_another_seed_others(project: Path) -> None:
    first = run(project, recipes.lenet())
    torch.manual_seed(99)  # the global generator must not matter
    assert run(project, recipes.lenet()) == first
    assert not set(run(project, recipes.lenet(seed=1)).values()) & set(first.values())


def test_dropout_bfloat16_averages_and_augmentation_repeat_their_bytes_too(project: Path) -> None:
    everything = {
        "precision": "bfloat16",
        "ema_decay": 0.9,
        "clip_norm": 1.0,
        "keep": "best",
        "augmentation": {"flip": 0.5, "shift": 2, "erase": 0.2},
    }
    assert run(project, recipes.vgg(**everything)) == run(project, recipes.vgg(**everything))


def test_the_curve_has_a_row_per_epoch_and_the_metrics_are_the_kept_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(project, recipes.lenet(epochs=3))
    curve = pd.read_csv(project / "plots/training/lenet.csv")
    assert list(curve.columns) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
    ]
    assert curve["epoch"].tolist() == [1, 2, 3]
    metrics = recipes.train_metrics(project)
    for name, value in curve.iloc[-1].to_dict().items():
        assert metrics[name] == pytest.approx(value)
    made_with = prepare("cpu", "float32").describe() | {"processes": 1}
    assert metrics["made_with"] == made_with
    trained = weights.load(project / "data/models/lenet.safetensors", "lenet")
    assert trained.made_with == made_with
    assert trained.recipe["epochs"] == 3
    assert curve["train_loss"].is_monotonic_decreasing
    assert curve["validation_accuracy"].iloc[-1] > 0.4
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"lenet: validation accuracy {metrics['validation_accuracy']:.4f}, ")
    assert last.endswith(" GFLOP/s")


def test_a_stopped_training_goes_on_to_the_same_bytes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(project, recipes.lenet(), keep_epochs=True)
    for name in whole:
        (project / name).unlink()
    write = Tracker.write

    def stop(*arguments: Any) -> None:
        write(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Tracker, "write", stop)
    with pytest.raises(SystemExit) as stopped:
        run(project, recipes.lenet(), keep_epochs=True)
    seen: list[dict[str, Any]] = []

    def look(*arguments: Any) -> None:
        seen.append(arguments[-1])
        write(*arguments)

    monkeypatch.setattr(Tracker, "write", look)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert not (project / "data/models/lenet.safetensors").exists()
    capsys.readouterr()
    assert run(project, recipes.lenet(), keep_epochs=True) == whole
    assert "lenet: resumed in epoch 2 after 0 steps\n" in capsys.readouterr().out
    timing = json.loads((project / "runs/lenet/timing.json").read_text())
    assert [row["epoch"] for row in timing] == [1, 2]
    # Once when it resumes, and once after the second epoch.
    assert seen == 2 * [recipes.train_metrics(project)["made_with"]]
    assert not [*(project / ".checkpoints").rglob("*.safetensors")]


def test_the_kernels_before_training_are_those_of_the_seed(project: Path) -> None:
    run(project, recipes.lenet())
    kernels = load_file(project / "data/initial_kernels/lenet.safetensors")
    with seeded(0, "initial weights"):
        network = lenet.build()
    assert sorted(kernels) == ["conv1.weight", "conv2.weight"]
    assert not (project / "data/epoch_weights").exists()
    assert torch.equal(kernels["conv2.weight"], network.get_parameter("conv2.weight"))


def test_a_loss_that_is_not_finite_writes_no_weights(project: Path) -> None:
    wild = recipes.lenet(optimizer="sgd", learning_rate=1e6, schedule="constant")
    with pytest.raises(InputError, match=r"no weights are written"):
        run(project, wild)
    assert not (project / "data/models/lenet.safetensors").exists()
    assert not [*project.glob(".checkpoints/*/*.safetensors")]


def test_missing_shapes_are_an_error_that_names_the_stage(project: Path) -> None:
    shutil.rmtree(project / "plots/shapes")
    with pytest.raises(InputError, match=r"lenet\.json is missing: run `dvc repro check_shapes`"):
        run(project, recipes.lenet())


@pytest.mark.parametrize(
    "name",
    [
        *("data/initial_kernels", "data/models", "data/epoch_weights"),
        *("metrics/train", "plots/training", "runs", ".checkpoints"),
    ],
)
def test_what_is_no_folder_is_named_before_any_data_is_read(project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).touch()
    (project / "data/fashion_mnist").unlink()
    with pytest.raises(InputError, match=rf"^{project / name} can't be written"):
        training_run.train(
            *("lenet", lenet.build, recipes.lenet(), recipes.dataset(), recipes.LOG_INTERVAL),
            keep_epochs=True,
        )


def test_a_run_shows_in_tensorboard(project: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(project, recipes.lenet())
    events = EventAccumulator(str(project / "runs/lenet"), size_guidance={"images": 0})
    events.Reload()
    moving = {
        "predictions vs. actuals",
        "kernels/conv1",
        "feature maps/conv1",
        "feature maps/conv2",
    }
    assert set(events.Tags()["images"]) == {"training images", *moving}
    for tag in moving:
        pictures = events.Images(tag)
        assert [picture.step for picture in pictures] == [13, 26], tag
        assert pictures[0].encoded_image_string != pictures[1].encoded_image_string, tag
    assert events.Graph().node
    steps = 2 * math.ceil(400 / 32)
    for tag in ("loss/training, running", "gradient norm"):
        assert [point.step for point in events.Scalars(tag)] == list(range(5, steps + 1, 5))
    assert len(events.Scalars("images per second")) == 2
    curve = pd.read_csv(project / "plots/training/lenet.csv")
    for tag, column in (
        ("loss/train", "train_loss"),
        ("loss/validation", "validation_loss"),
        ("accuracy/train", "train_accuracy"),
        ("accuracy/validation", "validation_accuracy"),
        ("learning_rate", "learning_rate"),
    ):
        logged = [point.value for point in events.Scalars(tag)]
        assert logged == pytest.approx(curve[column].tolist(), rel=1e-4)
    assert "shapes/text_summary" in events.Tags()["tensors"]


def test_two_copies_of_one_experiment_can_train_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    for folder in (tmp_path, copy):
        (folder / "dvc.yaml").touch()
    with ExitStack() as stack:
        monkeypatch.chdir(copy)
        parts = {"model": "lenet"}
        key = fingerprint(parts)
        held = [training_run._hold_checkpoints(stack, parts).folder for _ in range(2)]
        assert held == [tmp_path / ".checkpoints" / key, copy / ".checkpoints" / key]
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="is already training this same run"):
            training_run._hold_checkpoints(stack, parts)
