"""Whether a number's change is more than the noise of the test images.

Where the predictions of both revisions are at hand, the tests are paired by image. What they cannot
see is the noise of training itself: another seed gives another network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from fashion_cnn.evaluation.measures import BINS
from fashion_cnn.pairwise import mcnemar
from fashion_cnn.tools.trust import chance

LEVEL = 0.05


@dataclass(frozen=True)
class Change:
    """A number before and after, and whether they differ by more than noise."""

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
        """More than noise or within it, or why that is not known."""
        if self.difference == 0:
            return "the same"
        if self.significant is None:
            return self.test or "not tested"
        return "more than noise" if self.significant else "within noise"


@dataclass(frozen=True)
class Tested:
    """A test of a difference between two networks: its name, p-value and, if known, interval."""

    name: str
    p_value: float
    low: float | None = None
    high: float | None = None


def classes_of(table: pd.DataFrame) -> list[str]:
    """Return the classes of a table of predictions: its columns after `predicted`.

    Raises:
        ValueError: it has no row, or a row that names no class.
    """
    columns = [str(name) for name in table]
    classes = columns[columns.index("predicted") + 1 :]
    if table.empty or not table[["label", "predicted"]].isin(classes).all(axis=None):
        raise ValueError("no predictions")
    return classes


def wilson(share: float, images: int) -> tuple[float, float]:
    """Return the 95% interval of a share of `images`. Source: Wilson (1927)."""
    found = stats.binomtest(round(share * images), images).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def paired(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Tested]:
    """Return a test of each metric for two tables of predictions; none if of other images.

    Each has a row per image: label, predicted, the probability of each class.
    """
    if list(before) != list(after) or not before["label"].equals(after["label"]):
        return {}
    classes = classes_of(before)
    label, *answers = (
        pd.Categorical(column, classes).codes
        for column in (before["label"], after["predicted"], before["predicted"])
    )
    old, new = (table[classes].to_numpy() for table in (before, after))
    won, lost = (answers[i] == label for i in (0, 1))
    second_won, second_lost = (_among_two_best(shares, label) for shares in (new, old))
    return {
        "accuracy": replace(
            _t_test(won, lost),
            name="McNemar's exact test",
            p_value=chance.accuracy(label, *answers),
        ),
        "top_2_accuracy": Tested(
            "McNemar's exact test",
            mcnemar(int((second_won & ~second_lost).sum()), int((second_lost & ~second_won).sum())),
        ),
        "loss": _t_test(_losses(new, label), _losses(old, label)),
        "macro_f1": Tested("bootstrap over the images", chance.macro_f1(label, *answers)),
        "expected_calibration_error": _calibration(new, won, old, lost),
    }


def by_intervals(before: float, after: float, images: tuple[int, int]) -> Change:
    """Return the change of a share by whether its 95% Wilson intervals overlap.

    `images` are how many each share is of.
    """
    old, new = wilson(before, images[0]), wilson(after, images[1])
    apart = old[1] < new[0] or new[1] < old[0]
    return Change(before, after, "overlap of Wilson intervals", significant=apart)


def adjusted(changes: Sequence[Change]) -> list[Change]:
    """Return the changes with `significant` set at 5%, adjusted for how many were tested.

    Source: Benjamini & Hochberg (1995).
    """
    tested = [change.p_value for change in changes if change.p_value is not None]
    rates: Iterator[float] = iter(stats.false_discovery_control(tested) if tested else [])
    return [
        change if change.p_value is None else replace(change, significant=bool(next(rates) < LEVEL))
        for change in changes
    ]


def _t_test(after: np.ndarray, before: np.ndarray) -> Tested:
    if np.array_equal(before, after):
        return Tested("paired t-test", 1.0, 0.0, 0.0)
    found = stats.ttest_rel(after.astype(float), before.astype(float))
    low, high = found.confidence_interval(0.95)
    return Tested("paired t-test", float(found.pvalue), float(low), float(high))


def _among_two_best(shares: np.ndarray, label: np.ndarray) -> np.ndarray:
    # Stable, so that of equal probabilities the first class counts, on every machine.
    best = np.argsort(-shares, axis=1, kind="stable")[:, :2]
    among: np.ndarray = (best == label[:, None]).any(axis=1)
    return among


def _losses(shares: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return negative log-likelihoods in nats; a probability written as 0 is below 0.0000005."""
    losses: np.ndarray = -np.log(np.maximum(shares[np.arange(len(label)), label], 5e-7))
    return losses


def _calibration(new: np.ndarray, won: np.ndarray, old: np.ndarray, lost: np.ndarray) -> Tested:
    """Test the expected calibration error by a bootstrap over the images."""
    sides = []
    for shares, right in ((new, won), (old, lost)):
        sure = shares.max(axis=1)
        sides.append(((np.ceil(sure * BINS).astype(int) - 1).clip(0, BINS - 1), right - sure))

    def rise(images: np.ndarray) -> float:
        after, before = (
            np.abs(np.bincount(bins[images], gaps[images], BINS)).sum() for bins, gaps in sides
        )
        return float(after - before)

    p_value = chance.two_sided((np.arange(len(won)),), rise, vectorized=False)
    return Tested("bootstrap over the images", p_value)
