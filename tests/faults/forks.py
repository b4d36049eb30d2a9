"""Run a program again and again, each time from the moment when its modules are imported.

LD_PRELOAD=full_disk.so python -S tests/faults/forks.py MODULES PROGRAM...: each line of standard
input has the number of the write from which on the disk is full, or 0 for none, and the seconds
after which the program is killed, or 0 for never. For each, a fork of this process becomes the
program, and a line of JSON has its status, its stderr and how many writes it made.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Serve the numbers from standard input."""
    modules, *program = sys.argv[1:]
    # As Python itself sets them: fashion_cnn/base/startup.py looks at both.
    sys.path[0] = str(Path(program[0]).parent if program[0] != "-m" else Path.cwd())
    sys.argv = program
    for name in modules.split(","):
        importlib.import_module(name)
    library = ctypes.CDLL(None)
    fail_at = ctypes.c_long.in_dll(library, "fail_at")
    written = ctypes.POINTER(ctypes.c_long).in_dll(library, "written")
    for line in sys.stdin:
        full_from, killed_after = line.split()
        written[0] = 0
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(write, 2)
            os.close(read)
            os.close(write)
            fail_at.value = int(full_from) or fail_at.value
            break
        os.close(write)
        if float(killed_after):
            time.sleep(float(killed_after))
            os.kill(child, signal.SIGKILL)
        with os.fdopen(read) as errors:
            printed = errors.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, printed, written[0]]), flush=True)
    else:
        return
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program[0], run_name="__main__")


main()
