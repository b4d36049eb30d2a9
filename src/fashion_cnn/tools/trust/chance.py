"""Whether chance alone may explain that a measure of two networks' answers differs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from fashion_cnn.pairwise import mcnemar

RESAMPLES = 2000


def accuracy(actual: np.ndarray, now: np.ndarray, before: np.ndarray) -> float:
    """Return the exact p-value of McNemar's test. All: (N,), the codes of N images' classes."""
    now, before = now == actual, before == actual
    return mcnemar(int((before & ~now).sum()), int((now & ~before).sum()))


def macro_f1(actual: np.ndarray, now: np.ndarray, before: np.ndarray) -> float:
    """Return the two-sided p-value of a paired bootstrap of the difference in macro F1.

    It resamples the images: each keeps its class and both networks' answers. All: (N,).
    """

    def fall(actual: np.ndarray, now: np.ndarray, before: np.ndarray, axis: int) -> np.ndarray:
        return _macro_f1(actual, before, axis) - _macro_f1(actual, now, axis)

    return two_sided((actual, now, before), fall, vectorized=True, batch=100)


def two_sided(
    data: tuple[np.ndarray, ...], difference: Callable[..., Any], **options: Any
) -> float:
    """Return the p-value of a paired bootstrap of a difference: is it other than 0?

    `data`, (N,) each, are resampled together; `options` are those of scipy's bootstrap.

    Source: Efron and Tibshirani (1993), chapter 15, with the percentile interval turned round.
    """
    differences = bootstrap(
        data,
        difference,
        n_resamples=RESAMPLES,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(0),
        **options,
    ).bootstrap_distribution
    beyond = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (1 + beyond) / (1 + RESAMPLES)))


TESTS: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
}
"""By the name of the measure in metrics/evaluate."""


def p_value(measure: str, run: pd.DataFrame | None, baseline: pd.DataFrame | None) -> float | None:
    """Return the p-value of two tables of answers; None where they are of other images.

    `measure` is a key of TESTS; a table has the columns actual and predicted, a row per image.
    """
    if run is None or baseline is None or not run["actual"].equals(baseline["actual"]):
        return None
    columns = [run["actual"], run["predicted"], baseline["predicted"]]
    codes = pd.factorize(pd.concat(columns))[0].astype(np.int16).reshape(3, -1)
    return TESTS[measure](*codes) if len(run) else None


def _macro_f1(actual: np.ndarray, predicted: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean F1 over the classes that occur among the labels or the predictions."""
    scores, occurring = [], []
    for code in range(1 + max(actual.max(), predicted.max())):
        is_class, is_answer = actual == code, predicted == code
        either = is_class.sum(axis=axis) + is_answer.sum(axis=axis)
        occurring.append(either > 0)
        scores.append(2 * (is_class & is_answer).sum(axis=axis) / np.maximum(either, 1))
    mean: np.ndarray = np.sum(scores, axis=0) / np.sum(occurring, axis=0)
    return mean
