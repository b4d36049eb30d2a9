"""DVC's experiments where a worker is killed or two commands meet: nothing lost, and a message."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import TOY, Shell, put_preset
from tests.processes import running, wait_until

# Tells that it has begun, and waits until it may go on.
WAITING = (
    "import os, time\n"
    "folder = pathlib.Path(os.environ['SIGNS'])\n"
    "seed = pathlib.Path('params.yaml').read_text().split()[1]\n"
    "(folder / f'begun-{seed}').touch()\n"
    "while not (folder / 'go').exists():\n"
    "    time.sleep(0.05)\n"
)


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """The folder by which a training and its test speak with each other."""
    folder = tmp_path / "signs"
    folder.mkdir()
    return folder


@pytest.fixture
def slow(
    toy: Path,
    signs: Path,
    shell: Shell,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """The toy project, its training waiting for its test; its workers are ended afterwards."""
    monkeypatch.setitem(environment, "SIGNS", str(signs))
    first, _, rest = TOY["train.py"].partition("\n")
    (toy / "train.py").write_text(f"{first}\n{WAITING}{rest}\nprint('trained')\n")
    (signs / "go").touch()
    for command in ("dvc repro -q", "git commit -qam slow"):
        done = shell(*command.split(), cwd=toy)
        assert done.returncode == 0, done.stderr
    for sign in signs.iterdir():
        sign.unlink()
    yield toy
    kill_processes(toy)


def kill_processes(project: Path) -> int:
    """Kill at once everything that runs in a project, and return how many processes that were."""
    here = [
        each
        for each in psutil.process_iter(["cwd"])
        if each.pid != os.getpid() and (each.info["cwd"] or "").startswith(str(project))
    ]
    for process in here:
        process.suspend()
    for process in here:
        process.kill()
    psutil.wait_procs(here, timeout=30)
    return len(here)


def statuses(project: Path, shell: Shell) -> dict[str, str]:
    """The state of each experiment of the queue; one that is just being taken may be missing."""
    listed = shell("dvc", "queue", "status", cwd=project).stdout
    return dict(re.findall(r"^\w{7} +(\S+) .* (\w+) *$", listed, re.M))


def use(project: Path, seed: int) -> None:
    path = project / "params.yaml"
    path.write_text(re.sub(r"seed: \d+", f"seed: {seed}", path.read_text()))


def ok(shell: Shell, project: Path, command: str) -> str:
    done = shell(*command.split(), cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def start_a_worker(shell: Shell, project: Path) -> None:
    # It keeps the output that it is given.
    done = shell("sh", "-c", "dvc queue start -j 1 > /dev/null 2>&1", cwd=project)
    assert done.returncode == 0


@pytest.mark.faults
def test_a_killed_worker_costs_one_experiment_which_can_be_queued_again(
    slow: Path, signs: Path, shell: Shell
) -> None:
    for seed in (11, 12, 13):
        ok(shell, slow, f"dvc exp run --queue --name run-{seed} -S seed={seed}")
    start_a_worker(shell, slow)
    wait_until(lambda: [*signs.glob("begun-*")])
    (begun,) = signs.glob("begun-*")
    lost = f"run-{begun.name.removeprefix('begun-')}"
    assert statuses(slow, shell).get(lost) == "Running"
    # The worker, DVC in the copy, the shell and the training.
    assert kill_processes(slow) >= 3
    (signs / "go").touch()
    # As docs/experiments.md says.
    start_a_worker(shell, slow)
    others = {"run-11", "run-12", "run-13"} - {lost}
    wait_until(lambda: all(statuses(slow, shell).get(name) == "Success" for name in others))
    assert statuses(slow, shell).get(lost) == "Running"
    assert (slow / ".dvc/tmp/exps/celery/dvc-exp-worker-1.out").stat().st_size
    ok(shell, slow, f"dvc queue kill {lost}")
    assert statuses(slow, shell).get(lost) == "Failed"
    ok(shell, slow, f"dvc queue remove {lost}")
    ok(shell, slow, f"dvc exp run --queue --name {lost} -S seed={lost[-2:]}")
    start_a_worker(shell, slow)
    wait_until(lambda: statuses(slow, shell).get(lost) == "Success")
    assert "trained" in ok(shell, slow, f"dvc queue logs {lost}")
    assert ok(shell, slow, "git status --porcelain") == ""
    shown = json.loads(shell("dvc", "exp", "show", "--json", cwd=slow).stdout)
    seeds = {
        row["revs"][0]["data"]["params"]["params.yaml"]["data"]["seed"]
        for commit in shown
        for row in commit["experiments"] or ()
    }
    assert seeds == {11, 12, 13}


@pytest.mark.faults
def test_of_two_runs_at_once_the_second_says_who_is_at_work(
    slow: Path, signs: Path, shell: Shell, environment: dict[str, str]
) -> None:
    use(slow, 2)
    with running("dvc", "repro", cwd=slow, environment=environment) as first:
        wait_until((signs / "begun-2").exists)
        second = shell("dvc", "repro", cwd=slow)
        assert second.returncode == 255
        assert second.stderr.startswith("ERROR: failed to reproduce ")
        assert "is busy, it is being blocked by" in second.stderr
        assert f"(PID {first.pid}): " in second.stderr
        assert "Traceback" not in second.stderr
        (signs / "go").touch()
        assert first.wait(60) == 0
    assert "up to date" in ok(shell, slow, "dvc repro")
    assert (slow / "data/model").read_text() == "images\n" * 2


@pytest.mark.faults
def test_a_copy_and_the_workspace_train_at_the_same_time(
    slow: Path, signs: Path, shell: Shell, environment: dict[str, str]
) -> None:
    use(slow, 2)
    copy = ("dvc", "exp", "run", "--temp", "--name", "beside", "-S", "seed=3")
    with (
        running("dvc", "repro", cwd=slow, environment=environment) as here,
        running(*copy, cwd=slow, environment=environment) as there,
    ):
        wait_until(lambda: (signs / "begun-2").exists() and (signs / "begun-3").exists())
        (signs / "go").touch()
        # One may wait for the other's lock, never fail by it.
        assert (here.wait(60), there.wait(60)) == (0, 0)
    assert "up to date" in ok(shell, slow, "dvc repro")
    assert "seed: 2" in (slow / "params.yaml").read_text()
    ok(shell, slow, "git commit -qam two")
    ok(shell, slow, "dvc exp list --all-commits")
    assert "beside" in ok(shell, slow, "dvc exp list --all-commits")


@pytest.mark.faults
def test_a_sweep_whose_trials_diverge_ends_and_goes_on_with_other_ranges(
    clone: Path, shell: Shell
) -> None:
    put_preset(clone, shell, "smoke", ("train_images: 4000", "train_images: 400"))
    ok(shell, clone, "dvc repro -q check_shapes")

    def sweep(ranges: str) -> subprocess.CompletedProcess[str]:
        text = f"trials: 2\nlenet:\n  learning_rate: {ranges}\n"
        (clone / "config/sweep.yaml").write_text(text)
        return shell("python", "-m", "fashion_cnn", "sweep", "lenet", cwd=clone, PYTHONPATH="src")

    done = sweep("{low: 1.0e+20, high: 1.0e+30, log: true}")
    assert done.returncode == 1
    *each, last = done.stderr.splitlines()
    names = re.findall(r"^experiment (\S+) failed: ", "\n".join(each), re.M)
    assert len(names) == len(each) == 5
    logs = (clone / "runs/experiments").glob("*.log")
    assert {log.stem for log in logs} == {*names}
    assert last.startswith(f"error: {', '.join(names)}: 5 trials in a row failed, so no more are ")
    assert f"experiment {names[-1]} failed: error: lenet: the " in last
    assert f"its whole output is in {clone}/runs/experiments/{names[-1]}.log" in last
    # The seeds of the sampler let some trials fail before two are done.
    done = sweep("{choices: [0.004, 1.0e+30]}")
    assert done.returncode == 0, done.stderr
    assert " failed: " in done.stderr
    assert "of the best of 2 trials; 0 ended early" in done.stdout
