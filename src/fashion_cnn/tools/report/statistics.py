"""Whether a number's change is more than the noise of the test images.

Where the predictions of both revisions are at hand, the tests are paired by image. What they cannot
see is the noise of training itself: another seed gives another network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fashion_cnn.pairwise import mcnemar

LEVEL = 0.05
RESAMPLES = 1000
BINS = 15

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """A network's answers to N images: labels and answers (N,), probabilities (N, classes)."""

    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    probabilities: Array
    classes: tuple[str, ...]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """Read a table with label, predicted, and then the probability of each class by name.

        Raises:
            ValueError: it has no row, or a row that names no class.
        """
        classes = tuple(table.columns[list(table.columns).index("predicted") + 1 :])
        code = {name: number for number, name in enumerate(classes)}
        if table.empty or not table[["label", "predicted"]].isin(classes).all(axis=None):
            raise ValueError("no predictions")
        return cls(
            labels=table["label"].map(code).to_numpy().astype(np.int64),
            answers=table["predicted"].map(code).to_numpy().astype(np.int64),
            probabilities=table[list(classes)].to_numpy(np.float64),
            classes=classes,
        )

    def same_images(self, other: "Predictions") -> bool:
        """Tell whether both are of the same labels in the same order."""
        return self.classes == other.classes and np.array_equal(self.labels, other.labels)

    def right(self) -> Array:
        """1 where the answer is right, else 0: (N,)."""
        return (self.answers == self.labels).astype(np.float64)

    def right_in_two(self) -> Array:
        """1 where the label is among the two likeliest classes, else 0: (N,)."""
        # Stable, so that of equal probabilities the first class counts, on every machine.
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :2]
        return (best == self.labels[:, None]).any(axis=1).astype(np.float64)

    def losses(self) -> Array:
        """Negative log-likelihoods in nats: (N,).

        The files hold six decimals: a probability written as 0 counts as half of the last one.
        """
        given = self.probabilities[np.arange(len(self.labels)), self.labels]
        return -np.log(np.maximum(given, 5e-7))

    def confidence_bins(self) -> NDArray[np.int64]:
        """The bin, of BINS equal ones over (0, 1], of each image's highest probability: (N,)."""
        bins = np.ceil(self.probabilities.max(axis=1) * BINS).astype(np.int64) - 1
        return bins.clip(0, BINS - 1)


@dataclass(frozen=True)
class Change:
    """A number before and after, and what can be said of the difference."""

    before: float
    after: float
    test: str = ""
    p_value: float | None = None
    low: float | None = None
    high: float | None = None
    significant: bool | None = None

    @property
    def difference(self) -> float:
        """After less before."""
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """More than noise or within it, or why that cannot be told."""
        if self.difference == 0:
            return "the same"
        if self.significant is None:
            return self.test or "not tested"
        return "more than noise" if self.significant else "within noise"


def wilson(share: float, images: int) -> tuple[float, float]:
    """Return the 95% interval of a share of `images`. Source: Wilson (1927)."""
    found = stats.binomtest(round(share * images), images).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def paired(before: Predictions, after: Predictions) -> dict[str, Change]:
    """Return a change for each metric of predictions of the same images.

    accuracy and top_2_accuracy by McNemar's exact test; loss by the paired t-test on each image's
    negative log-likelihood; macro_f1 and expected_calibration_error by bootstrap over the images.
    """
    changes = {
        "accuracy": _shares(before.right(), after.right()),
        "top_2_accuracy": _shares(before.right_in_two(), after.right_in_two()),
        "loss": _means(before.losses(), after.losses()),
    }
    weights = _resamples(before.labels.size)
    for name, measure in (("macro_f1", _macro_f1), ("expected_calibration_error", _calibration)):
        old, new = measure(before, weights), measure(after, weights)
        changes[name] = _bootstrapped(old, new)
    return changes


def by_intervals(before: float, after: float, images: tuple[int, int]) -> Change:
    """Return the change of a share by whether its 95% Wilson intervals overlap.

    Args:
        before: the share of the first images.
        after: the share of the second.
        images: how many each is of.
    """
    old, new = wilson(before, images[0]), wilson(after, images[1])
    apart = old[1] < new[0] or new[1] < old[0]
    return Change(before, after, "overlap of Wilson intervals", significant=apart)


def adjusted(changes: Sequence[Change]) -> list[Change]:
    """Return the changes with `significant` told at 5%, adjusted for how many were tested.

    Source: Benjamini & Hochberg (1995).
    """
    tested = [change.p_value for change in changes if change.p_value is not None]
    rates: Iterator[float] = iter(stats.false_discovery_control(tested) if tested else [])
    return [
        change if change.p_value is None else replace(change, significant=bool(next(rates) < LEVEL))
        for change in changes
    ]


def reliability(predictions: Predictions) -> pd.DataFrame:
    """Return, for each of BINS bins, its images, mean confidence and accuracy (NaN if empty)."""
    bins = predictions.confidence_bins()
    table = pd.DataFrame(
        {"confidence": predictions.probabilities.max(axis=1), "accuracy": predictions.right()}
    )
    means = table.groupby(bins).mean().reindex(range(BINS))
    return means.assign(images=np.bincount(bins, minlength=BINS))


def _shares(before: Array, after: Array) -> Change:
    lost, won = int((before > after).sum()), int((after > before).sum())
    change = _means(before, after)
    return replace(change, test="McNemar's exact test", p_value=mcnemar(won, lost))


def _means(before: Array, after: Array) -> Change:
    change = Change(float(before.mean()), float(after.mean()), "paired t-test")
    if np.array_equal(before, after):
        return replace(change, p_value=1.0, low=0.0, high=0.0)
    found = stats.ttest_rel(after, before)
    interval = found.confidence_interval(0.95)
    return replace(
        change, p_value=float(found.pvalue), low=float(interval.low), high=float(interval.high)
    )


def _bootstrapped(before: Array, after: Array) -> Change:
    """Weigh the differences (1 + RESAMPLES,), of the images themselves and then of resamples."""
    difference = (after - before)[1:]
    one_sided = min((difference <= 0).mean(), (difference >= 0).mean())
    low, high = np.quantile(difference, [0.025, 0.975])
    return Change(
        before=float(before[0]),
        after=float(after[0]),
        test=f"bootstrap of {RESAMPLES:,} resamples",
        p_value=float(min(1, max(2 * one_sided, 1 / RESAMPLES))),
        low=float(low),
        high=float(high),
    )


@cache
def _resamples(images: int) -> Array:
    """Return how often each image is in: once, then as RESAMPLES draws have it: (rows, images)."""
    draws = np.random.default_rng(0).multinomial(images, [1 / images] * images, RESAMPLES)
    return np.vstack([np.ones(images), draws])


def _macro_f1(predictions: Predictions, weights: Array) -> Array:
    """F1 averaged over the classes, for each row of image weights (rows, N)."""
    size = len(predictions.classes)
    actual, answered = np.eye(size)[predictions.labels], np.eye(size)[predictions.answers]
    found = weights @ (actual * answered)
    all_of = weights @ (actual + answered)
    shown: Array = np.divide(2 * found, all_of, out=np.zeros_like(found), where=all_of > 0)
    # torchmetrics leaves a class out that is neither labelled nor answered.
    mean: Array = shown.sum(axis=1) / (all_of > 0).sum(axis=1)
    return mean


def _calibration(predictions: Predictions, weights: Array) -> Array:
    """Expected calibration error, for each row of image weights (rows, N)."""
    bins = np.eye(BINS)[predictions.confidence_bins()]
    gaps = (predictions.right() - predictions.probabilities.max(axis=1))[:, None] * bins
    error: Array = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
    return error
