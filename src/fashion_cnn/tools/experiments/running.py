"""DVC's experiments: run one in a folder of its own, and read its results."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import root


def run(name: str, changes: Mapping[str, object], target: str) -> None:
    """Run an experiment in a folder of its own, and keep it under `name`, in place of another.

    Args:
        name: of the experiment.
        changes: parameters by their dotted names, also those that params.yaml does not have yet;
            all others are as in the working tree.
        target: the last stage to run.

    Raises:
        InputError: it failed.
    """
    with running(name, changes, target) as process:
        process.wait()
    if process.returncode:
        raise failure(name)


@contextmanager
def running(
    name: str, changes: Mapping[str, object], target: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start an experiment as `run` does, with its output in `log_file`; yield its process.

    Any exception that leaves the block ends the process too; so do Ctrl-C and SIGTERM.
    """
    if reference(name):
        dvc("exp", "remove", name)
    # Hydra's ++ sets a key whether or not params.yaml has it.
    settings = [
        part for key, value in changes.items() for part in ("-S", f"++{key}={as_yaml(value)}")
    ]
    command = ["dvc", "exp", "run", "--temp", "--name", name, *settings, target]
    with log_file(name).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", *command],
            cwd=root(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException:
        interrupt(process)
        raise


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
    folder = root() / "runs" / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


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


def code() -> str:
    """Return git's hash of the package as the last commit has it."""
    return git("rev-parse", "HEAD:src").strip()


def as_yaml(value: object) -> str:
    """Return a parameter's value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def dvc(*arguments: str) -> str:
    """Return what a command of DVC prints.

    Raises:
        InputError: it failed; the message is the first line of its errors.
    """
    return _output(sys.executable, "-m", "dvc", *arguments)


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
