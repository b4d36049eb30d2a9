"""Metrics against closed forms and numbers worked out by hand."""

import io
import math

import numpy as np
import pandas as pd
import pytest
import torch

from fashion_cnn import evaluation
from fashion_cnn.dataset import CLASSES


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """Return logits whose softmax is `probabilities`, padded with nothing for other classes."""
    rows = [row + [0.0] * (10 - len(row)) for row in probabilities]
    return torch.tensor(rows).clamp_min(1e-12).log()


def test_metrics_of_four_images_worked_out_by_hand() -> None:
    logits = logits_of([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.2, 0.3]])
    measured = evaluation.measure(logits, torch.tensor([0, 1, 1, 2]))
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


def test_the_table_has_a_row_an_image_and_probabilities_that_sum_to_one() -> None:
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 10
    predictions, confusion = evaluation.tabulate(logits, labels)
    table = pd.read_csv(io.StringIO(predictions))
    pairs = pd.read_csv(io.StringIO(confusion))
    assert pairs["actual"].tolist() == table["label"].tolist()
    assert pairs["predicted"].tolist() == table["predicted"].tolist()
    assert list(table.columns) == ["index", "label", "predicted", *CLASSES]
    assert table["index"].tolist() == list(range(50))
    assert table["label"].tolist() == [CLASSES[label] for label in labels]
    probabilities = table[list(CLASSES)].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    winners = [CLASSES[index] for index in probabilities.argmax(axis=1)]
    assert table["predicted"].tolist() == winners
    accuracy = (table["label"] == table["predicted"]).mean()
    assert evaluation.measure(logits, labels)["accuracy"] == pytest.approx(accuracy)
