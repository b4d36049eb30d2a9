"""The tests behind `more than noise`, against closed forms and torchmetrics."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from fashion_cnn.tools.report.statistics import (
    Change,
    Predictions,
    adjusted,
    by_intervals,
    paired,
    reliability,
    wilson,
)

CLASSES = ("a", "b", "c")


def answers(seed: int, skill: float, images: int = 900) -> Predictions:
    numbers = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    logits = numbers.normal(size=(images, 3)) + skill * np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(labels, shares.argmax(axis=1), shares, CLASSES)


def test_wilson_is_the_closed_form() -> None:
    share, images, z = 0.9, 1000, 1.959963984540054
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    spread = share * (1 - share) / images + z * z / (4 * images**2)
    half = z * math.sqrt(spread) / (1 + z * z / images)
    assert wilson(share, images) == pytest.approx((middle - half, middle + half))


def test_numbers_are_torchmetrics_own() -> None:
    before, after = answers(0, 1.0), answers(1, 2.0)
    changes = paired(before, after)
    for predictions, side in ((before, "before"), (after, "after")):
        shares = torch.from_numpy(predictions.probabilities)
        labels = torch.from_numpy(predictions.labels)
        own = {
            "accuracy": multiclass_accuracy(shares, labels, 3, average="micro"),
            "top_2_accuracy": multiclass_accuracy(shares, labels, 3, average="micro", top_k=2),
            "macro_f1": multiclass_f1_score(shares, labels, 3, average="macro"),
            "expected_calibration_error": multiclass_calibration_error(shares, labels, 3, 15),
            "loss": torch.nn.functional.nll_loss(shares.log(), labels),
        }
        for name, value in own.items():
            assert getattr(changes[name], side) == pytest.approx(float(value), abs=1e-6), name


def test_a_better_network_is_more_than_noise_and_the_same_is_not() -> None:
    worse, better = answers(0, 1.0), answers(0, 2.0)
    gained = paired(worse, better)
    found = dict(zip(gained, adjusted(list(gained.values())), strict=True))
    assert all(
        found[name].verdict == "more than noise" for name in ("accuracy", "macro_f1", "loss")
    )
    low, high = found["accuracy"].low, found["accuracy"].high
    assert low is not None
    assert high is not None
    assert 0 < low < found["accuracy"].difference < high
    for change in adjusted(list(paired(worse, worse).values())):
        assert (change.p_value, change.significant, change.verdict) == (1.0, False, "the same")


def test_equally_good_networks_differ_by_noise_about_as_often_as_promised() -> None:
    p_values = {"accuracy": [], "loss": [], "macro_f1": []}  # type: dict[str, list[float]]
    for seed in range(60):
        changes = paired(answers(2 * seed, 1.5, 300), answers(2 * seed + 1, 1.5, 300))
        for name, kept in p_values.items():
            p_value = changes[name].p_value
            assert p_value is not None
            kept.append(p_value)
    for name, kept in p_values.items():
        # At 5%, 3 of 60 are expected; 10 or more have a chance of 1 in 1000.
        assert sum(value < 0.05 for value in kept) < 10, name


def test_p_values_are_adjusted_for_their_number() -> None:
    changes = [Change(0.1, 0.2, "", p) for p in (0.01, 0.04, 0.03, 0.5)]
    # Benjamini & Hochberg: 0.01 * 4 / 1 = 0.04; 0.03 * 4 / 2 = 0.06 and 0.04 * 4 / 3 = 0.053.
    assert [change.significant for change in adjusted(changes)] == [True, False, False, False]
    assert adjusted([Change(1, 2)])[0].significant is None


@pytest.mark.parametrize(("after", "apart"), [(0.90, False), (0.91, False), (0.93, True)])
def test_without_predictions_intervals_are_held_together(after: float, apart: bool) -> None:
    change = by_intervals(0.90, after, (10_000, 10_000))
    assert change.significant is apart
    assert change.p_value is None


def test_bins_hold_every_image_once() -> None:
    predictions = answers(0, 1.0)
    table = reliability(predictions)
    assert table["images"].sum() == len(predictions.labels)
    filled = table.dropna()
    assert np.average(filled["accuracy"], weights=filled["images"]) == pytest.approx(
        predictions.right().mean()
    )
    edges = np.arange(15) / 15
    assert (
        (filled["confidence"] > edges[filled.index])
        & (filled["confidence"] <= edges[filled.index] + 1 / 15)
    ).all()


def test_a_table_is_read_by_its_class_names() -> None:
    table = pd.DataFrame(
        {
            "index": [0, 1],
            "label": ["b", "a"],
            "predicted": ["a", "a"],
            "a": [0.6, 1.0],
            "b": [0.4, 0.0],
        }
    )
    found = Predictions.of(table)
    assert found.labels.tolist() == [1, 0]
    assert found.right().tolist() == [0, 1]
    assert found.right_in_two().tolist() == [1, 1]
    assert found.losses() == pytest.approx([-math.log(0.4), 0])
