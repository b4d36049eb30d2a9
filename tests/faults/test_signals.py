"""Ctrl-C and SIGTERM at any moment: the status that a shell expects, and no word."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.conftest import (
    STAGES,
    Run,
    Start,
    arguments,
    end_is_quiet,
    prepare,
    rare,
    runs_well,
)
from tests.processes import running

SIGNALS = (signal.SIGINT, signal.SIGTERM)
COMMANDS = {
    "check_shapes": arguments("check_shapes"),
    "train_lenet": arguments("train_lenet"),
    "evaluate": arguments("evaluate"),
    "shapes": ("python", "-m", "fashion_cnn", "shapes", "vgg"),
}
# A hundred in all.
KILLS = dict.fromkeys((*STAGES, "explore"), 13) | {"train_lenet": 22}


def stop(
    command: tuple[str, ...], number: int, after: float, cwd: Path, environment: dict[str, str]
) -> Run:
    """Send a signal so many seconds after a program has begun to listen to it."""
    with running(*command, cwd=cwd, environment=environment, errors=subprocess.PIPE) as process:
        # Python itself shows a traceback for Ctrl-C while it starts, before any of our code.
        while process.poll() is None and not listens(process.pid):
            time.sleep(0.001)
        time.sleep(after)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def listens(process: int) -> bool:
    """Whether a process has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{process}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    ("name", "moments"), [("train_lenet", 2), *rare(*((name, 24) for name in COMMANDS))]
)
def test_a_signal_ends_without_a_word(
    name: str, moments: int, project: Path, environment: dict[str, str]
) -> None:
    began = time.perf_counter()
    variables = environment | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = COMMANDS[name]
    subprocess.run(command, cwd=project, env=variables, capture_output=True, check=True)
    life = time.perf_counter() - began
    statuses = []
    for moment in range(moments):
        for number in SIGNALS:
            done = stop(command, number, life * moment / moments, project, variables)
            end_is_quiet(done, sent=number)
            # It may have been about to end; after that, Python has no handler any more.
            assert done.returncode in (128 + number, 0, -number), (moment, done.stderr)
            statuses.append(done.returncode)
    print(f"{name}: {statuses}")
    assert statuses[:2] == [130, 143]
    # A training that goes on from a checkpoint ends sooner.
    assert sum(status in (130, 143) for status in statuses) >= len(statuses) / 2


@pytest.mark.parametrize(("name", "kills"), [("compare_models", 3), *rare(*KILLS.items())])
def test_killed_at_random_and_run_again_the_bytes_are_the_same(
    name: str, kills: int, project: Path, forked: Start
) -> None:
    drawn = random.Random(name)
    prepare(project, name)
    with forked(name, project) as call:
        runs_well(call, project)
        began = time.perf_counter()
        before, _ = runs_well(call, project)
        life = time.perf_counter() - began
        for _ in range(kills):
            moment = drawn.uniform(0, life)
            done, writes = call(killed_after=moment)
            print(f"{name}: {done.returncode} after {moment:.2f} of {life:.2f} s, {writes} writes")
            assert done.returncode in (0, -signal.SIGKILL)
            assert runs_well(call, project)[0] == before, moment


@pytest.mark.parametrize("main", ["import fashion_cnn", "import fashion_cnn.dataset.images"])
def test_a_library_leaves_signals_alone(main: str, environment: dict[str, str]) -> None:
    code = (
        "import signal, sys\n"
        f"{main}\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "assert sys.excepthook is sys.__excepthook__\n"
    )
    variables = environment | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run(["python", "-c", code], env=variables, check=True)
