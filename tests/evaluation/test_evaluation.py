"""Metrics against closed forms, and against numbers worked out by hand."""

import io
import math

import numpy as np
import pandas as pd
import pytest
import torch

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.evaluation import measures
from fashion_cnn.models import lenet


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """Return logits whose softmax is `probabilities`, with zeros for the other classes."""
    rows = [row + [0.0] * (10 - len(row)) for row in probabilities]
    return torch.tensor(rows).clamp_min(1e-12).log()


def test_metrics_of_four_images_worked_out_by_hand() -> None:
    logits = logits_of([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.2, 0.3]])
    measured = measures.measure(logits, torch.tensor([0, 1, 1, 2]))
    assert measured["images"] == 4
    assert measured["accuracy"] == 0.5
    assert measured["top_2_accuracy"] == 1.0
    mean_loss = -sum(map(math.log, (0.9, 0.4, 0.8, 0.3))) / 4
    assert measured["loss"] == pytest.approx(mean_loss, rel=1e-5)
    # Confidences 0.9, 0.6, 0.8, 0.5 fall into four bins; two images are right.
    error = (0.1 + 0.6 + 0.2 + 0.5) / 4
    assert measured["expected_calibration_error"] == pytest.approx(error, rel=1e-5)
    # F1 of class 0: 1 right of 3 predicted and 1 true; class 1: 1 of 1 and 2; class 2: none.
    assert measured["macro_f1"] == pytest.approx((2 / 4 + 2 / 3 + 0) / 3, rel=1e-5)


def test_the_interval_of_the_accuracy_is_wilsons() -> None:
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I.
    logits = torch.zeros(263, 10)
    logits[:81, 3] = logits[81:, 5] = 1.0
    measured = measures.measure(logits, torch.full((263,), 3))
    assert measured["accuracy_low"] == pytest.approx(0.2553, abs=5e-5)
    assert measured["accuracy_high"] == pytest.approx(0.3662, abs=5e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_an_error(bad: float) -> None:
    logits = torch.zeros(5, 10)
    logits[3, 7] = bad
    with pytest.raises(InputError, match="1 of 5 images is NaN or infinite"):
        measures.measure(logits, torch.arange(5))


def test_the_cost_of_lenet_worked_out_by_hand() -> None:
    convolutions = 6 * 25 * 24**2 + 16 * 6 * 25 * 8**2
    linear = 256 * 120 + 120 * 84 + 84 * 10
    assert measures.cost(lenet.build(), 28) == {
        "parameters": 44_426,
        "multiply_accumulates": convolutions + linear,
        "weight_bytes": 4 * 44_426,
    }


def test_each_class_worked_out_by_hand_also_without_images_or_predictions() -> None:
    # Class 0: 2 of 3 images right, 1 of 3 predictions wrong; 1: never predicted; 2: no images.
    predicted, labels = torch.tensor([0, 0, 2, 0]), torch.tensor([0, 0, 0, 1])
    table = measures.measure_classes(torch.eye(10)[predicted], labels, FASHION_MNIST.classes)
    assert table["class"].tolist() == list(FASHION_MNIST.classes)
    assert table["images"].tolist() == [3, 1, *[0] * 8]
    rows = table[["precision", "recall", "f1"]].to_numpy()
    np.testing.assert_allclose(rows[0], 2 / 3, atol=1e-6)
    assert (rows[1:] == 0).all()


def test_the_gaps_of_the_reliability_diagram_make_the_calibration_error() -> None:
    logits = 3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    logits[:5] = torch.eye(10)[3] * 1000  # a confidence of exactly 1
    labels = torch.arange(500) % 10
    bins = measures.reliability(logits, labels)
    assert len(bins) == 15
    assert bins["images"].sum() == 500
    filled = bins[bins["images"] > 0]
    assert filled["confidence"].between(filled["low"], filled["high"] + 1e-6).all()
    assert bins["accuracy"].isna().tolist() == (bins["images"] == 0).tolist()
    error = (filled["images"] * (filled["accuracy"] - filled["confidence"]).abs()).sum() / 500
    expected = measures.measure(logits, labels)["expected_calibration_error"]
    assert error == pytest.approx(expected, rel=1e-4)


def test_mistakes_are_ranked_by_confidence_and_by_the_labels_probability() -> None:
    logits = logits_of([[0.6, 0.3, 0.1], [0.9, 0.1], [0.7, 0.05, 0.25], [0.2, 0.8], [0.6, 0.3]])
    labels = torch.tensor([1, 0, 1, 0, 2])
    assert measures.confident_mistakes(logits, labels).tolist() == [3, 2, 4, 0]
    assert measures.likely_mislabelled(logits, labels).tolist() == [4, 2, 3, 0]


def test_predictions_equally_confident_in_float32_still_have_an_order() -> None:
    logits = torch.zeros(3, 10)
    logits[:, 0] = torch.tensor([30.0, 32.0, 31.0])
    assert (logits.softmax(dim=1)[:, 0] == 1).all()
    labels = torch.ones(3, dtype=torch.int64)
    assert measures.confident_mistakes(logits, labels).tolist() == [1, 2, 0]
    assert measures.likely_mislabelled(logits, labels).tolist() == [1, 2, 0]


def test_the_table_has_a_row_per_image_and_probabilities_that_sum_to_one() -> None:
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 10
    predictions, confusion = measures.tabulate(logits, labels, FASHION_MNIST.classes)
    table = pd.read_csv(io.StringIO(predictions))
    pairs = pd.read_csv(io.StringIO(confusion))
    assert pairs["actual"].tolist() == table["label"].tolist()
    assert pairs["predicted"].tolist() == table["predicted"].tolist()
    assert list(table.columns) == ["index", "label", "predicted", *FASHION_MNIST.classes]
    assert table["index"].tolist() == list(range(50))
    assert table["label"].tolist() == [FASHION_MNIST.classes[label] for label in labels]
    probabilities = table[list(FASHION_MNIST.classes)].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    winners = [FASHION_MNIST.classes[index] for index in probabilities.argmax(axis=1)]
    assert table["predicted"].tolist() == winners
    accuracy = (table["label"] == table["predicted"]).mean()
    assert measures.measure(logits, labels)["accuracy"] == pytest.approx(accuracy)
