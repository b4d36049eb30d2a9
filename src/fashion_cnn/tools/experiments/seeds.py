"""The same recipe at several seeds: how much results vary by chance alone."""

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.experiments import running

MAX_SEEDS = 1000
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

    Returns:
        A table: one line per seed, then their spread.

    Raises:
        InputError: there are fewer than two seeds or too many, or an experiment failed.
    """
    if not 2 <= count <= MAX_SEEDS:
        raise InputError(
            f"N: expected 2 seeds, as one has no spread, to {MAX_SEEDS}, got {count!s:.50}"
        )
    rows: list[list[float]] = []
    for seed in range(count):
        name = f"{model}-seed-{seed}"
        running.run(name, {f"{model}.seed": seed}, f"evaluate@{model}")
        measured = {stage: running.metrics(name, stage, model) for stage in ("train", "evaluate")}
        rows.append([measured[stage][metric] for _, stage, metric in REPORTED])
        print(f"{name}: test accuracy {measured['evaluate']['accuracy']:.4f}", flush=True)
    return table(rows)


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
