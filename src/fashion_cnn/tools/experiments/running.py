"""DVC's experiments: run one in a folder of its own, and read its results."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import root
from fashion_cnn.tools.experiments.sharing import claimed

# DVC hands each experiment from the working tree to its copy by one stash, from which a process
# that has ended its own experiment takes another's. So each has a stash of its own.
DVC = """\
import sys
import dvc.repo.experiments
from dvc.cli import main
assert dvc.repo.experiments.WORKSPACE_STASH
dvc.repo.experiments.WORKSPACE_STASH = sys.argv.pop(1)
sys.exit(main())
"""
# What DVC prints once the working tree is whole again.
STARTED = b"Reproducing experiment"


def run(name: str, changes: Mapping[str, object], target: str, lock: TextIO) -> None:
    """Run an experiment in a folder of its own, and keep it under `name`, in place of another.

    Args:
        name: of the experiment.
        changes: parameters by their dotted names, also those that params.yaml does not have yet;
            all others are as in the working tree.
        target: the last stage to run.
        lock: what nobody else may do until it has ended, even where this process ends first.

    Raises:
        InputError: it failed.
    """
    with running(name, changes, target, lock) as process:
        process.wait()
    if process.returncode:
        raise failure(name)


@contextmanager
def running(
    name: str, changes: Mapping[str, object], target: str, lock: TextIO
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start an experiment as `run` does, with its output in `log_file`; yield its process.

    Any exception that leaves the block ends the process too; so do Ctrl-C and SIGTERM.
    """
    # Hydra's ++ sets a key whether or not params.yaml has it.
    settings = [
        part for key, value in changes.items() for part in ("-S", f"++{key}={as_yaml(value)}")
    ]
    stash = f"refs/exps/temp/stash-{name}"
    command = ["--wait-for-lock", "exp", "run", "--temp", "--name", name, *settings, target]
    with whole_tree():
        if reference(name):
            dvc("exp", "remove", name)
        # Of one that was killed at its start.
        git("update-ref", "-d", stash)
        with log_file(name).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", DVC, stash, *command],
                cwd=root(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
        try:
            while process.poll() is None and STARTED not in log_file(name).read_bytes():
                time.sleep(0.1)
        except BaseException:
            interrupt(process)
            raise
    try:
        yield process
    except BaseException:
        interrupt(process)
        raise


@contextmanager
def whole_tree() -> Iterator[None]:
    """Read the working tree inside the block: DVC stashes its edits while an experiment starts."""
    with claimed(root() / "runs" / "experiments" / "start.lock", wait=True):
        yield


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """End an experiment and all that it started, as Ctrl-C does, and wait for it.

    It is a process group of its own, which the terminal's Ctrl-C does not reach.
    """
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def failure(name: str) -> InputError:
    """Return the error that says why an experiment failed."""
    log = log_file(name)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if line.lower().startswith("error")]
    reason = (errors or lines[-1:] or ["it printed nothing"])[0]
    return InputError(f"experiment {name} failed: {reason}; its whole output is in {log}")


def log_file(name: str) -> Path:
    """Return the file that an experiment's output goes to."""
    return root() / "runs" / "experiments" / f"{name}.log"


def reference(name: str) -> str:
    """Return git's reference to the last commit's experiment of this name, or an empty text."""
    commit = git("rev-parse", "HEAD").strip()
    pattern = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    return git("for-each-ref", "--format=%(refname)", pattern).strip()


def metrics(name: str, stage: str, model: str) -> dict[str, Any]:
    """Return a model's metrics of a stage (train or evaluate) in an experiment."""
    content = json.loads(git("show", f"{reference(name)}:metrics/{stage}/{model}.json"))
    values: dict[str, Any] = content[model]
    return values


def tree(folder: str = "") -> str:
    """Return git's hash of a folder of the repository, or of all of it, with edits."""
    edited = git("stash", "create").strip()
    return git("rev-parse", f"{edited or 'HEAD'}:{folder}").strip()


def as_yaml(value: object) -> str:
    """Return a parameter's value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def dvc(*arguments: str) -> str:
    """Return what a command of DVC prints.

    Raises:
        InputError: it failed; the message is the first line of its errors.
    """
    return _output(sys.executable, "-m", "dvc", "--wait-for-lock", *arguments)


def git(*arguments: str) -> str:
    """Return what a command of git prints; raise InputError as `dvc` does."""
    return _output("git", *arguments)


def _output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=root(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = done.stderr.strip().splitlines() or ["it failed"]
        shown = " ".join(command).removeprefix(f"{sys.executable} -m ")
        raise InputError(f"`{shown}`: {errors[0]}")
    return done.stdout
