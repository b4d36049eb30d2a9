"""When a sweep goes on and when it ends, with trials that end at once in the place of DVC's."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.experiments import running, sweep
from tests.tools.experiments.conftest import SWEEP

Plan = Callable[[str], list[str]]


@pytest.fixture
def plan(project: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Let trials end as planned: + has an accuracy, - fails; return the names of what has run."""

    def planned(ends: str) -> list[str]:
        ran: list[str] = []

        @contextmanager
        def run(
            name: str, changes: Mapping[str, object], target: str, lock: TextIO
        ) -> Iterator["subprocess.Popen[bytes]"]:
            ran.append(name)
            running.log_file(name).parent.mkdir(parents=True, exist_ok=True)
            running.log_file(name).write_text("begun\nERROR: no room on the disk\n")
            yield subprocess.Popen(["true" if ends[len(ran) - 1] == "+" else "false"])

        monkeypatch.setattr(running, "running", run)
        monkeypatch.setattr(running, "metrics", lambda *_: {"validation_accuracy": 0.5})
        return ran

    return planned


def test_a_sweep_ends_where_five_trials_in_a_row_fail(project: Path, plan: Plan) -> None:
    ran = plan("+---+----+")
    assert "best of 3 trials" in sweep.run("lenet")
    assert len(ran) == 10
    # With all of its trials it only prints its table; with more it goes on.
    assert "best of 3 trials" in sweep.run("lenet")
    assert len(ran) == 10
    (project / "config" / "sweep.yaml").write_text(SWEEP.format(4))
    ran = plan("-----+")
    with pytest.raises(InputError) as caught:
        sweep.run("lenet")
    assert str(caught.value) == (
        f"{', '.join(ran)}: 5 trials in a row failed, so no more are tried; "
        f"experiment {ran[-1]} failed: ERROR: no room on the disk; its whole output is in "
        f"{project}/runs/experiments/{ran[-1]}.log; once the reason is gone, run the same command "
        "to go on"
    )
    assert len(ran) == len(set(ran)) == 5
    ran = plan("+")
    assert "best of 4 trials" in sweep.run("lenet")
    assert len(ran) == 1


@pytest.mark.parametrize("name", ["params.yaml", "config/sweep.yaml", "src/code.py"])
def test_no_trial_runs_after_an_edit_that_it_would_not_belong_with(
    name: str, project: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, text = plan("+++"), (project / name).read_text()
    edited = text.replace("seed: 0", "seed: 1").replace("high: 0.008", "high: 0.007") + "\n"

    def metrics(*_: str) -> dict[str, float]:
        (project / name).write_text(edited)
        return {"validation_accuracy": 0.5}

    with monkeypatch.context() as patch:
        patch.setattr(running, "metrics", metrics)
        with pytest.raises(InputError, match="edited since this sweep began: take the edits back"):
            sweep.run("lenet")
    assert len(ran) == 1
    (project / name).write_text(text)
    assert "best of 3 trials" in sweep.run("lenet")
    assert len(ran) == 3
