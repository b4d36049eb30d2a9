"""Compare networks in pairs, on the same test images."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from fashion_cnn.base.errors import InputError


def read_answers(path: Path, model: str) -> pd.DataFrame:
    """Read the columns actual and predicted of a model's answers.

    Raises:
        InputError: the file is missing or has no such columns.
    """
    hint = f"make it with `dvc repro evaluate@{model}`"
    try:
        # A class may have a name such as 7 or None.
        text = {"actual": str, "predicted": str}
        return pd.read_csv(path, usecols=[*text], dtype=text, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: {hint}") from None
    except (ValueError, UnicodeDecodeError):
        raise InputError(f"{path} is not a table of answers: {hint}") from None


def compare(answers: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return how the networks' answers to the same images differ.

    Args:
        answers: by model, one row per image, in the same order: actual and predicted class.

    Returns:
        The content of the metrics file; DVC shows nothing of it that is in a list.
        all_wrong: how many images every network gets wrong. details: images, how many there are.
        pairs: first and second, the networks; how many images only the first and only the second
        gets right; the two-sided p-value of McNemar's exact test, which is small where two equally
        good networks would hardly differ so much by chance.

    Raises:
        InputError: the answers are to different images.
    """
    first, *others = answers.values()
    if any(not other["actual"].equals(first["actual"]) for other in others):
        raise InputError(
            "the answers are to different images: "
            f"evaluate all of {', '.join(answers)} again with `dvc repro`"
        )
    right = {model: table["predicted"] == table["actual"] for model, table in answers.items()}
    return {
        "all_wrong": int((~pd.DataFrame(right).any(axis=1)).sum()),
        "details": [{"images": len(first)}],
        "pairs": [
            {"first": one, "second": other, **_pair(right[one], right[other])}
            for one, other in combinations(right, 2)
        ],
    }


def mcnemar(first_only_right: int, second_only_right: int) -> float:
    """Return the exact two-sided p-value of the hypothesis that two networks err equally often.

    Args:
        first_only_right: how many images only the first network gets right.
        second_only_right: how many only the second gets right.

    Source: McNemar (1947), with the binomial distribution instead of its approximation.
    """
    differing = first_only_right + second_only_right
    # The binomial test needs at least one image on which the networks differ.
    return float(binomtest(first_only_right, differing).pvalue) if differing else 1.0


def _pair(first: "pd.Series[bool]", second: "pd.Series[bool]") -> dict[str, float]:
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    return {
        "first_only_right": first_only,
        "second_only_right": second_only,
        "p_value": float(f"{mcnemar(first_only, second_only):.6g}"),
    }
