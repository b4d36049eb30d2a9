"""DVC's experiments: run one in a folder of its own, and read its results."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.paths import copies, root

# DVC hands each experiment from the working tree to its copy by one stash, from which a process
# that has ended its own experiment takes another's. So each has a stash of its own. SIGTERM, which
# Slurm sends to all of a job's processes, is for `interrupt` to pass on: DVC waits for its stage.
DVC = """\
import signal
import sys
import dvc.repo.experiments
from dvc.cli import main
assert dvc.repo.experiments.WORKSPACE_STASH
dvc.repo.experiments.WORKSPACE_STASH = sys.argv.pop(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
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
        if reference(name, head()):
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
def claimed(file: Path, *, wait: bool = False) -> Iterator[TextIO | None]:
    """Hold a lock file inside the block; yield it, or None where somebody else holds it.

    The system frees it when its process has ended, however that ends, and so have the processes
    that it handed the file down to.

    With `wait`, until it is free. It is in a folder that all processes share.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield lock


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


def copy(name: str) -> Path:
    """Return the folder in which DVC runs the experiment of this name."""
    for file in (copies(root()) / "standalone" / "run").glob("*/*.run"):
        # Another process may be writing or removing its own.
        with suppress(ValueError, FileNotFoundError):
            info = json.loads(file.read_text("utf-8"))
            if info["name"] == name and Path(info["root_dir"]).is_dir():
                return Path(info["root_dir"])
    return root() / "runs" / "no-such-experiment"


def head() -> str:
    """Return the commit on which an experiment that starts now stands."""
    return git("rev-parse", "HEAD").strip()


def reference(name: str, commit: str) -> str:
    """Return git's reference to a commit's experiment of this name, or an empty text."""
    pattern = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    return git("for-each-ref", "--format=%(refname)", pattern).strip()


def metrics(name: str, commit: str, stage: str, model: str) -> dict[str, Any]:
    """Return a model's metrics of a stage (train or evaluate) in a commit's experiment.

    Raises:
        InputError: there is no such experiment.
    """
    found = reference(name, commit)
    if not found:
        raise InputError(
            f"experiment {name} is not on the commit {commit[:7]} any more, or stands on another "
            "that was made as it started: run the same command again"
        )
    content = json.loads(git("show", f"{found}:metrics/{stage}/{model}.json"))
    values: dict[str, Any] = content[model]
    return values


def tree(*paths: str) -> str:
    """Return git's hashes of files and folders of the repository, with their edits."""
    # Of a file that was edited and put back, git would find no edits to stash, and fail.
    git("update-index", "-q", "--refresh")
    edited = git("stash", "create").strip() or "HEAD"
    return git("rev-parse", *(f"{edited}:{path}" for path in paths)).strip()


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
