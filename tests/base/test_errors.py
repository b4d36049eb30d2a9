"""What comes from outside is one message or a status; a bug keeps its traceback."""

import errno
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError

from fashion_cnn.base import faults
from fashion_cnn.base.errors import InputError
from tests.conftest import ROOT


def run(body: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose main function has this body."""
    code = f"""
import os, signal, sys, threading, time
from fashion_cnn.base.errors import DiskFullError, InputError, run
def main():
    {body}
run(main, "some.key")
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise InputError('fix this')", 1, "error: fix this\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("signal.raise_signal(signal.SIGINT)", 130, ""),
        ("signal.raise_signal(signal.SIGTERM)", 143, ""),
        ("raise BrokenPipeError", 141, ""),
        ("raise MemoryError", 1, "error: not enough memory: lower some.key in params.yaml\n"),
        ("raise OSError(13, 'refused', 'a.json')", 1, "error: a.json: Permission denied\n"),
        ("sys.exit('done')", 1, "done\n"),
        ("sys.exit(3)", 3, ""),
        ("pass", 0, ""),
    ],
)
def test_what_a_user_can_fix_has_no_traceback(body: str, status: int, message: str) -> None:
    done = run(body)
    assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.parametrize(
    "body",
    [
        "1 / 0",
        "open('nowhere')",
        "raise RuntimeError('shapes differ')",
        "threading.Thread(target=lambda: 1 / 0).start()",
    ],
)
def test_a_bug_keeps_its_traceback(body: str) -> None:
    done = run(body)
    assert "Traceback" in done.stderr
    assert "error: " not in done.stderr


def test_a_full_disk_is_named_though_another_writer_fails_too() -> None:
    done = run(
        "try: raise DiskFullError('a.json: full') from OSError(28, '')\n"
        "    finally: raise OSError(28, '')"
    )
    assert (done.returncode, done.stderr) == (1, "error: a.json: full\n")


def test_a_signal_that_python_can_not_raise_ends_the_program_all_the_same() -> None:
    # An exception in a finalizer is lost, and some libraries raise another one in its place.
    lost = "type('Lost', (), {'__del__': lambda self: signal.raise_signal(signal.SIGTERM)})()"
    for body in (f"{lost}; time.sleep(9)", "exec('try: signal.raise_signal(2)\\nexcept: 1 / 0')"):
        done = run(body)
        assert (done.returncode, done.stderr) == (143 if "Lost" in body else 130, "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    # As nohup and a shell's background jobs have it.
    code = (
        "import signal\n"
        "from fashion_cnn.base.errors import run\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "run(lambda: signal.raise_signal(signal.SIGINT))\n"
    )
    environment = {"PYTHONPATH": str(ROOT / "src")}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def raised_in(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__context__ = inner
    return outer


FULL_OF_RUST = "Error while serializing: I/O error: No space left on device (os error 28)"
CUDA = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 9 GiB"
CPU = "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried "


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "full", "/tmp/a"), "/tmp/a: its disk is full ("),
        (SafetensorError(FULL_OF_RUST), "is full"),
        (raised_in(ValueError("I/O on a closed file"), OSError(errno.ENOSPC, "")), "is full"),
        (torch.OutOfMemoryError(CUDA), "(20.00 GiB more are needed): lower some.key in params"),
        (RuntimeError(f"{CPU}to allocate 80000 bytes."), "(80000 bytes more are needed): lower"),
        (raised_in(InputError("damaged"), MemoryError()), "not enough memory: lower some.key"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared"), "to load PyTorch"),
        (OSError(errno.EROFS, "", "/tmp/a"), "/tmp/a: Read-only file system"),
        (RuntimeError("mat1 and mat2 can't be multiplied"), ""),
        (raised_in(KeyError("lenet"), OSError(errno.EACCES, "", "/tmp/a")), ""),
        (FileNotFoundError(errno.ENOENT, "", "/tmp/a"), ""),
    ],
)
def test_only_the_machines_faults_are_described(error: BaseException, message: str) -> None:
    described = faults.describe(error, "some.key")
    assert (described is None) == (message == "")
    assert message in (described or "")
