"""What a run shows during training: files that grow by a row per epoch, pictures."""

import json
import math
from pathlib import Path

import torch

from fashion_cnn.dataset.images import Images
from fashion_cnn.training.prediction_figure import draw_predictions
from fashion_cnn.training.state import Epoch
from fashion_cnn.training.tracking import Tracker
from tests import recipes


def test_the_curve_can_be_watched_during_training(tmp_path: Path) -> None:
    rows: list[Epoch] = []
    with Tracker(tmp_path, "lenet") as tracker:
        for epoch in (1, 2):
            rows.append(Epoch(epoch, 0.5, 0.6, 0.7, 0.8, 0.01))
            tracker.start_epoch(epoch, 2, 10, 0)
            tracker.stop_clock()
            tracker.epoch(rows, rows[0], {"device": "cpu"}, epoch, 10)
            curve = (tmp_path / "plots/training/lenet.csv").read_text().splitlines()
            assert len(curve) == 1 + epoch
            assert curve[-1] == f"{epoch},0.5,0.6,0.7,0.8,0.01"
            metrics = recipes.train_metrics(tmp_path)
            assert (metrics["epoch"], metrics["made_with"]) == (1, {"device": "cpu"})
            timing = json.loads((tmp_path / "runs/lenet/timing.json").read_text())
            assert [each["epoch"] for each in timing] == [*range(1, epoch + 1)]


def test_what_was_logged_after_a_checkpoint_is_cut_off(tmp_path: Path) -> None:
    with Tracker(tmp_path, "lenet") as tracker:
        tracker.writer.add_scalar("loss", 1.0, 1)
        saved = tracker.to_checkpoint(1)
        (events,) = (tmp_path / "runs/lenet").glob("events.*")
        before = events.read_bytes()
        tracker.writer.add_scalar("loss", 2.0, 2)
    later = events.with_name("events.out.tfevents.later")
    later.touch()
    assert len(events.read_bytes()) > len(before)
    with Tracker(tmp_path, "lenet", resumed=saved):
        assert events.read_bytes() == before
        assert not later.exists()


def test_predictions_are_titled_green_where_right_and_red_where_wrong() -> None:
    images = Images(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([9, 0]))
    logits = torch.zeros(2, 10)
    logits[:, 9] = math.log(9)  # softmax: 9 / (9 + 9) = 50% for class 9
    figure = draw_predictions(images, logits)
    right, wrong = figure.axes
    assert right.get_title() == "Ankle boot\n50.0%\n(label: Ankle boot)"
    assert wrong.get_title() == "Ankle boot\n50.0%\n(label: T-shirt/top)"
    assert (right.title.get_color(), wrong.title.get_color()) == ("green", "red")
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in (right, wrong)]
    assert all(box.y1 <= figure.bbox.y1 for box in boxes)
    assert not boxes[0].overlaps(boxes[1])
