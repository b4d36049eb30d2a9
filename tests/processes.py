"""Commands that run while a test does something else."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def running(
    *command: str | Path,
    cwd: Path,
    environment: Mapping[str, str],
    output: int = subprocess.PIPE,
    errors: int | None = subprocess.STDOUT,
) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a session of its own, and end what is left of it afterwards.

    Args:
        command: with its arguments.
        cwd: where it runs.
        environment: all of its variables.
        output: where its output goes, as subprocess has it.
        errors: where its stderr goes; None for where the tests' own goes.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_until(happened: Callable[[], object], seconds: float = 300) -> None:
    """Wait for something, and fail where it does not come."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)
