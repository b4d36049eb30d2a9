"""The spread over seeds is that of a textbook's sample."""

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import pytest
from scipy import stats

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.experiments import running, seeds


def test_the_interval_is_students() -> None:
    values = [0.901, 0.904, 0.899, 0.907, 0.903]
    test = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert seeds.interval(values) == pytest.approx((test.low, test.high))


def test_the_table_has_a_line_a_seed_and_what_they_come_to() -> None:
    lines = seeds.table([[0.9, 0.88, 0.3], [0.92, 0.9, 0.28]]).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "0",
        "1",
        "mean",
        "standard deviation",
        "95% interval of the mean",
    ]
    assert lines[4].split()[1:] == ["0.9100", "0.8900", "0.2900"]
    assert lines[5].split()[2:] == ["0.0141", "0.0141", "0.0141"]


@pytest.mark.parametrize("count", [-1, 1, 1001, 10**30])
def test_one_seed_shows_no_spread_and_too_many_never_end(count: int) -> None:
    expected = f"^N: expected 2 seeds, as one has no spread, to 1000, got {count}$"
    with pytest.raises(InputError, match=expected):
        seeds.run("lenet", count)


@pytest.mark.parametrize("name", ["params.yaml", "stages/code.py"])
def test_no_seed_runs_after_an_edit_that_the_others_did_not_have(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def run(name_: str, changes: Mapping[str, object], target: str, lock: TextIO) -> None:
        ran.append(name_)
        if len(ran) == 1:
            (project / name).write_text((project / name).read_text() + "\n")

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(running, "reference", lambda *_: "found")
    values = {"validation_accuracy": 0.5, "accuracy": 0.5, "loss": 0.5}
    monkeypatch.setattr(running, "metrics", lambda *_: values)
    with pytest.raises(InputError, match="edited since this began, so lenet-seed-1 would not belo"):
        seeds.run("lenet", 2)
    assert ran == ["lenet-seed-0"]
    # Another file is nothing to them.
    (project / "README.md").write_text("")
    assert "lenet-seed" not in seeds.run("lenet", 2)
    assert ran == ["lenet-seed-0", "lenet-seed-0", "lenet-seed-1"]
    seeds.run("lenet", 2)
    assert len(ran) == 3
