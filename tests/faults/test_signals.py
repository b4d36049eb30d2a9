"""Ctrl-C and SIGTERM at any moment: the status that a shell expects, and no word."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.conftest import STAGES, Run, Stage, arguments, end_is_quiet, hashes, prepare, rare
from tests.processes import running

SIGNALS = (signal.SIGINT, signal.SIGTERM)
COMMANDS = {
    "check_shapes": arguments("check_shapes"),
    "train_lenet": arguments("train_lenet"),
    "evaluate": arguments("evaluate"),
    "shapes": ("python", "-m", "fashion_cnn", "shapes", "vgg"),
}


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


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(100))
def test_killed_at_random_and_run_again_the_bytes_are_the_same(
    seed: int, project: Path, stage: Stage, environment: dict[str, str]
) -> None:
    drawn = random.Random(seed)
    name = drawn.choice([*STAGES, "explore"])
    prepare(project, name)
    if name in ("download", "explore", "export_images"):
        assert stage(project, name).returncode == 0
    before = hashes(project)
    variables = environment | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with running(*arguments(name), cwd=project, environment=variables) as process:
        time.sleep(drawn.uniform(0, 8))
        process.kill()
    done = stage(project, name)
    end_is_quiet(done)
    assert done.returncode == 0
    assert hashes(project) == before


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
