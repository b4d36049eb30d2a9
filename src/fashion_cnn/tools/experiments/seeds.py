"""The same recipe at several seeds: how much results vary by chance alone."""

import time
from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import TextIO

from scipy.stats import t
from tabulate import tabulate

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_text
from fashion_cnn.base.paths import root
from fashion_cnn.tools.experiments import running
from fashion_cnn.tools.experiments.collecting import METRICS
from fashion_cnn.tools.experiments.running import claimed

MAX_SEEDS = 1000
# What all seeds have in common.
SHARED = ("params.yaml", "dvc.yaml", "src", "stages")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95% interval of the mean of at least two normally distributed values.

    Source: Student (1908).
    """
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


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
    """Return METRICS at a seed, from its experiment, which is run if need be."""
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
    return [measured[stage][metric] for stage, metric in METRICS.values()]


def _tree() -> str:
    """Return git's hashes of SHARED, with their edits."""
    with running.whole_tree():
        return running.tree(*SHARED)


def table(rows: list[list[float]]) -> str:
    """Return METRICS, one line per seed, and their spread."""
    columns = list(zip(*rows, strict=True))
    lines = [[str(seed), *(f"{value:.4f}" for value in row)] for seed, row in enumerate(rows)]
    lines += [
        ["mean", *(f"{fmean(column):.4f}" for column in columns)],
        ["standard deviation", *(f"{stdev(column):.4f}" for column in columns)],
        ["95% interval of the mean", *("{:.4f} to {:.4f}".format(*interval(c)) for c in columns)],
    ]
    heads = ["seed", *(head.replace("\n", " ") for head in METRICS)]
    align = ["left", *["right"] * len(METRICS)]
    return tabulate(lines, heads, disable_numparse=True, colalign=align)
