"""The same recipe at several seeds: how much results vary by chance alone."""

import time
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import TextIO

from scipy.stats import t
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_text
from fashion_cnn.base.paths import root
from fashion_cnn.tools.experiments import running
from fashion_cnn.tools.experiments.sharing import claimed

MAX_SEEDS = 1000
# What all seeds have in common.
SHARED = ("params.yaml", "dvc.yaml", "src", "stages")
# What is reported of each seed: column head, stage, and the metric's name.
REPORTED = [
    ("validation accuracy", "train", "validation_accuracy"),
    ("test accuracy", "evaluate", "accuracy"),
    ("test loss", "evaluate", "loss"),
]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a sample, and the mean's 95% interval by Student's t."""

    mean: float
    standard_deviation: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Return the spread of at least two values, taken as drawn from a normal distribution.

    Source: Student (1908).
    """
    mean, deviation = fmean(values), stdev(values)
    half = float(t.ppf(0.975, len(values) - 1)) * deviation / sqrt(len(values))
    return Spread(mean, deviation, mean - half, mean + half)


def run(model: str, count: int) -> str:
    """Train and evaluate a model's recipe at the seeds 0 to count - 1, each a DVC experiment.

    Several of these processes share the seeds: what one has measured in this working tree, no
    other measures again.

    Returns:
        A table: one line per seed, then their spread.

    Raises:
        InputError: there are fewer than two seeds or too many, an experiment failed, or what the
            seeds have in common was edited meanwhile.
    """
    if not 2 <= count <= MAX_SEEDS:
        raise InputError(
            f"N: expected 2 seeds, as one has no spread, to {MAX_SEEDS}, got {count!s:.50}"
        )
    locks = root() / "runs" / "seeds"
    rows: dict[int, list[float]] = {}
    tree = _tree()
    while left := [seed for seed in range(count) if seed not in rows]:
        for seed in left:
            with claimed(locks / f"{model}-seed-{seed}.lock") as lock:
                if lock:
                    rows[seed] = _measured(model, seed, tree, lock)
        # The seeds that are left are others'.
        time.sleep(1 if len(rows) < count else 0)
    return table([rows[seed] for seed in range(count)])


def _measured(model: str, seed: int, tree: str, lock: TextIO) -> list[float]:
    """Return the values of REPORTED at a seed, from its experiment, which is run if need be."""
    name = f"{model}-seed-{seed}"
    made_in = root() / "runs" / "seeds" / f"{name}.tree"
    if _tree() != tree:
        raise InputError(
            f"{', '.join(SHARED)}: edited since this began, so {name} would not belong to the "
            "others: take the edits back, or run the same command again to measure all seeds anew"
        )
    commit = running.head()
    if not (made_in.is_file() and made_in.read_text() == tree and running.reference(name, commit)):
        made_in.unlink(missing_ok=True)
        running.run(name, {f"{model}.seed": seed}, f"evaluate@{model}", lock)
        write_text(made_in, tree)
    measured = {each: running.metrics(name, commit, each, model) for each in ("train", "evaluate")}
    print(f"{name}: test accuracy {measured['evaluate']['accuracy']:.4f}", flush=True)
    return [measured[stage][metric] for _, stage, metric in REPORTED]


def _tree() -> str:
    """Return git's hashes of SHARED, with their edits."""
    with running.whole_tree():
        return running.tree(*SHARED)


def table(rows: list[list[float]]) -> str:
    """Return the values of REPORTED, one line per seed, and their spread."""
    spreads = [spread(list(column)) for column in zip(*rows, strict=True)]
    lines = [[str(seed), *(f"{value:.4f}" for value in row)] for seed, row in enumerate(rows)]
    lines += [
        ["mean", *(f"{each.mean:.4f}" for each in spreads)],
        ["standard deviation", *(f"{each.standard_deviation:.4f}" for each in spreads)],
        ["95% interval of the mean", *(f"{each.low:.4f} to {each.high:.4f}" for each in spreads)],
    ]
    heads = ["seed", *(head for head, _, _ in REPORTED)]
    align = ["left", *["right"] * len(REPORTED)]
    return tabulate(lines, heads, disable_numparse=True, colalign=align)
