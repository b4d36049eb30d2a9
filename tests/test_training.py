"""The loop learns, repeats its bytes, and follows torch's own optimisers and schedules."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from fashion_cnn import params, training
from fashion_cnn.compute import choose, seeded
from fashion_cnn.dataset import Images, Transform, read_split, shuffled
from fashion_cnn.errors import InputError
from fashion_cnn.models import lenet, vgg
from fashion_cnn.tracking import Epoch, Tracker

ROOT = Path(__file__).resolve().parents[1]


def recipe(**changes: object) -> params.LeNet:
    """A small recipe: 400 images, 2 epochs, on the CPU in float32."""
    small = {
        "train_images": 400,
        "epochs": 2,
        "batch_size": 32,
        "device": "cpu",
        "precision": "float32",
        "log_interval": 5,
    }
    default = params.load(ROOT / "params.yaml").lenet
    return default.model_copy(update=small | changes)


@pytest.fixture
def project(tmp_path: Path, fashion_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with data and shapes, and the working folder."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data" / "shapes").mkdir(parents=True)
    (tmp_path / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    for model in ("lenet", "vgg"):
        (tmp_path / "data" / "shapes" / f"{model}.json").write_text('[{"layer": "conv1"}]')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(project: Path, recipe: params.Recipe, model: str = "lenet") -> dict[str, str]:
    """Train and return the SHA-256 of each file that is written outside runs/."""
    dataset = params.load(ROOT / "params.yaml").dataset
    build = {"lenet": lenet.build, "vgg": vgg.build}[model]
    training.train(model, build, recipe, dataset)
    return {
        name: hashlib.sha256((project / name).read_bytes()).hexdigest()
        for name in (
            f"data/models/{model}.safetensors",
            f"metrics/train/{model}.json",
            f"plots/training/{model}.csv",
        )
    }


def test_the_same_recipe_makes_the_same_bytes_and_another_seed_others(project: Path) -> None:
    first = run(project, recipe())
    torch.manual_seed(99)  # the global generator has no say
    assert run(project, recipe()) == first
    assert not set(run(project, recipe(seed=1)).values()) & set(first.values())


def test_dropout_and_bfloat16_repeat_their_bytes_too(project: Path) -> None:
    default = params.load(ROOT / "params.yaml").vgg
    small = {"train_images": 128, "epochs": 1, "batch_size": 32, "precision": "bfloat16"}
    shared = small | {"device": "cpu", "image_size": 32}
    once, again = (run(project, default.model_copy(update=shared), "vgg") for _ in range(2))
    assert once == again


def test_the_curve_has_a_row_an_epoch_and_the_metrics_are_its_last(project: Path) -> None:
    run(project, recipe(epochs=3))
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
    metrics = json.loads((project / "metrics/train/lenet.json").read_text())
    for name, value in curve.iloc[-1].to_dict().items():
        assert metrics[name] == pytest.approx(value)
    assert curve["train_loss"].is_monotonic_decreasing
    assert curve["validation_accuracy"].iloc[-1] > 0.4


def test_the_numbers_of_an_epoch_are_those_of_a_loop_written_out(
    fashion_mnist: Path, tmp_path: Path
) -> None:
    """Plain SGD, written with nothing of the package but the order, ends in the same weights."""
    chosen = recipe(
        optimizer="sgd", schedule="constant", learning_rate=0.01, weight_decay=0.0, epochs=1
    )
    train, validation = read_split(fashion_mnist, params.load(ROOT / "params.yaml").dataset)
    train, validation, transform = train[:200], validation[:100], Transform(28, 0.5, 0.5)
    with seeded(0):
        network = lenet.build()
    with seeded(0):
        reference = lenet.build()
    with Tracker(tmp_path, "lenet", 5) as tracker:
        training.fit(
            network, train, validation, transform, chosen, choose("cpu", "float32"), tracker
        )
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.01, momentum=chosen.momentum)
    losses, right = [], 0
    order = shuffled(200, chosen.seed, "order", 1)
    for start in range(0, 200, 32):
        index = order[start : start + 32]
        images = (train.pixels[index].float() / 255 - 0.5) / 0.5
        logits = reference(images)
        loss = torch.nn.functional.cross_entropy(logits, train.labels[index])
        losses += [loss.item()] * len(index)
        right += int((logits.argmax(1) == train.labels[index]).sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    row = tracker.rows[0]
    assert row.train_loss == pytest.approx(sum(losses) / 200, rel=1e-5)
    assert row.train_accuracy == right / 200
    assert row.learning_rate == 0.01


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", lambda t: 1.0),
        ("cosine", lambda t: (1 + math.cos(math.pi * t)) / 2),
    ],
)
def test_schedules_follow_their_closed_forms(schedule: str, expected: object) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    follow = training.make_schedule(optimizer, recipe(schedule=schedule), total_steps=40)
    for step in range(40):
        assert follow.get_last_lr()[0] == pytest.approx(0.1 * expected(step / 40))
        optimizer.step()
        follow.step()


def test_one_cycle_peaks_at_the_learning_rate_and_ends_near_nothing() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    chosen = recipe(schedule="one_cycle", learning_rate=0.1)
    follow = training.make_schedule(optimizer, chosen, total_steps=40)
    rates = []
    for _ in range(40):
        rates.append(follow.get_last_lr()[0])
        optimizer.step()
        follow.step()
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[-1] < 0.001


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_optimisers_are_torchs_with_the_recipes_settings(name: str) -> None:
    optimizer = training.make_optimizer(
        lenet.build(), recipe(optimizer=name, learning_rate=0.02, weight_decay=0.003, momentum=0.7)
    )
    assert type(optimizer).__name__.lower() == name
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.003)
    assert group.get("momentum", 0.7) == 0.7


def test_a_loss_that_is_not_finite_stops_the_run_and_writes_no_weights(project: Path) -> None:
    wild = recipe(optimizer="sgd", learning_rate=1e6, schedule="constant")
    with pytest.raises(
        InputError, match=r"lenet: the loss is (nan|inf).*lower lenet.learning_rate"
    ):
        run(project, wild)
    assert not (project / "data/models/lenet.safetensors").exists()


def test_missing_shapes_are_told(project: Path) -> None:
    shutil.rmtree(project / "data/shapes")
    with pytest.raises(InputError, match=r"lenet\.json is missing: run `dvc repro check_shapes`"):
        run(project, recipe())


def test_a_run_is_seen_in_tensorboard(project: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(project, recipe())
    events = EventAccumulator(str(project / "runs/lenet"), size_guidance={"images": 0})
    events.Reload()
    assert set(events.Tags()["images"]) == {"training images", "predictions vs. actuals"}
    assert events.Graph().node
    steps = 2 * math.ceil(400 / 32)
    running = events.Scalars("loss/training, running")
    assert [point.step for point in running] == list(range(5, steps + 1, 5))
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


def test_the_curve_can_be_watched_while_the_run_goes_on(tmp_path: Path) -> None:
    with Tracker(tmp_path, "lenet", 1) as tracker:
        for epoch in (1, 2):
            tracker.epoch(Epoch(epoch, 0.5, 0.6, 0.7, 0.8, 0.01), epoch, 2.0, 10)
            curve = (tmp_path / "plots/training/lenet.csv").read_text().splitlines()
            assert len(curve) == 1 + epoch
            assert curve[-1] == f"{epoch},0.5,0.6,0.7,0.8,0.01"
            assert json.loads((tmp_path / "metrics/train/lenet.json").read_text())["epoch"] == epoch


def test_predictions_are_titled_green_where_right_and_red_where_wrong() -> None:
    from fashion_cnn.tracking import draw_predictions

    images = Images(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([9, 0]))
    logits = torch.zeros(2, 10)
    logits[:, 9] = math.log(9)  # softmax: 9 / (9 + 9) = 50% for class 9
    right, wrong = draw_predictions(images, logits).axes
    assert right.get_title() == "Ankle boot\n50.0%\n(label: Ankle boot)"
    assert wrong.get_title() == "Ankle boot\n50.0%\n(label: T-shirt/top)"
    assert (right.title.get_color(), wrong.title.get_color()) == ("green", "red")
