"""The tests behind `more than noise`, against closed forms."""

import math

import numpy as np
import pandas as pd
import pytest

from fashion_cnn.tools.report.statistics import (
    Change,
    adjusted,
    by_intervals,
    classes_of,
    paired,
    wilson,
)

CLASSES = ("a", "b", "c")


def answers(seed: int, skill: float, images: int = 900) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    logits = numbers.normal(size=(images, 3)) + skill * np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(shares, columns=list(CLASSES))
    table.insert(0, "label", np.array(CLASSES)[labels])
    table.insert(1, "predicted", np.array(CLASSES)[shares.argmax(axis=1)])
    return table


def test_wilson_is_the_closed_form() -> None:
    share, images, z = 0.9, 1000, 1.959963984540054
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    spread = share * (1 - share) / images + z * z / (4 * images**2)
    half = z * math.sqrt(spread) / (1 + z * z / images)
    assert wilson(share, images) == pytest.approx((middle - half, middle + half))


def test_a_better_network_is_more_than_noise_and_the_same_is_not() -> None:
    worse, better = answers(0, 1.0), answers(0, 2.0)
    gained = paired(worse, better)
    assert set(gained) == {
        "accuracy",
        "top_2_accuracy",
        "loss",
        "macro_f1",
        "expected_calibration_error",
    }
    for name in ("accuracy", "top_2_accuracy", "macro_f1", "loss"):
        assert gained[name].p_value < 0.01, name
    rise = (better["label"] == better["predicted"]).mean()
    rise -= (worse["label"] == worse["predicted"]).mean()
    found = gained["accuracy"]
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < rise < found.high
    assert all(test.p_value == 1.0 for test in paired(worse, worse).values())


def test_a_network_that_is_too_sure_is_worse_calibrated() -> None:
    table = answers(0, 1.0)
    sure = table.copy()
    sure[list(CLASSES)] = np.eye(3)[table[list(CLASSES)].to_numpy().argmax(axis=1)]
    found = paired(table, sure)
    assert found["expected_calibration_error"].p_value < 0.01
    assert found["accuracy"].p_value == 1.0


def test_other_images_are_not_compared() -> None:
    table = answers(0, 1.0)
    assert paired(table, table.iloc[::-1].reset_index(drop=True)) == {}
    assert paired(table, table.iloc[:-1]) == {}


def test_a_table_without_answers_is_refused() -> None:
    table = answers(0, 1.0, images=9)
    assert classes_of(table) == list(CLASSES)
    for spoilt in (table.iloc[:0], table.assign(label="hat")):
        with pytest.raises(ValueError, match="no predictions"):
            classes_of(spoilt)


def test_equally_good_networks_differ_by_noise_about_as_often_as_promised() -> None:
    p_values = {"accuracy": [], "loss": [], "macro_f1": []}  # type: dict[str, list[float]]
    for seed in range(40):
        tests = paired(answers(2 * seed, 1.5, 300), answers(2 * seed + 1, 1.5, 300))
        for name, kept in p_values.items():
            kept.append(tests[name].p_value)
    for name, kept in p_values.items():
        # At 5%, 2 of 40 are expected; 8 or more have a chance of 1 in 1000.
        assert sum(value < 0.05 for value in kept) < 8, name


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
