"""McNemar's test against its closed form; answers to different images are refused."""

from math import comb
from pathlib import Path

import pandas as pd
import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.pairwise import compare, mcnemar, read_answers


def answers(right: str) -> pd.DataFrame:
    """Return answers, one row per image, right where the text has a 1."""
    predicted = ["Bag" if mark == "1" else "Coat" for mark in right]
    return pd.DataFrame({"actual": "Bag", "predicted": predicted})


def test_pairs_and_shared_mistakes_worked_out_by_hand() -> None:
    first, second, third = "1" * 9 + "0" * 3, "0" * 7 + "11" + "100", "1" * 9 + "0" * 3
    compared = compare({"a": answers(first), "b": answers(second), "c": answers(third)})
    # Of the 8 images on which a and b differ, a gets 7 right: twice the tail of 8 fair coins.
    p_value = 2 * (comb(8, 7) + comb(8, 8)) / 2**8
    a_b, a_c, b_c = compared["pairs"]
    assert a_b == {
        "first": "a",
        "second": "b",
        "first_only_right": 7,
        "second_only_right": 1,
        "p_value": pytest.approx(p_value, rel=1e-5),
    }
    assert (b_c["first"], b_c["second"], b_c["second_only_right"]) == ("b", "c", 7)
    same = {"first_only_right": 0, "second_only_right": 0, "p_value": 1.0}
    assert a_c == {"first": "a", "second": "c", **same}
    assert (compared["all_wrong"], compared["details"]) == (2, [{"images": 12}])


def test_different_images_are_not_compared() -> None:
    relabelled = answers("111")
    relabelled.loc[1, "actual"] = "Coat"
    for other in (answers("11"), relabelled):
        with pytest.raises(InputError, match="different images: evaluate all of a, b again"):
            compare({"a": answers("111"), "b": other})


@pytest.mark.parametrize("content", [None, b"", b"index,actual\n0,Bag\n", b"\xff\xfe\x00"])
def test_answers_that_cannot_be_read_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "vgg.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"vgg\.csv is .*: make it with `dvc repro evaluate@vgg`"):
        read_answers(path, "vgg")


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (1, 9), (0, 6), (10, 25)])
def test_mcnemar_is_twice_the_binomial_tail(first: int, second: int) -> None:
    tail = sum(comb(first + second, count) for count in range(min(first, second) + 1))
    p_value = min(1, 2 * tail / 2 ** (first + second))
    assert mcnemar(first, second) == pytest.approx(p_value, rel=1e-9)
    assert mcnemar(second, first) == pytest.approx(p_value, rel=1e-9)
    assert 0 < mcnemar(4000, 6000) < 1e-80
