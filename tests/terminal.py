"""A command in a terminal of a given width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path


def in_terminal(
    *command: str, columns: int, cwd: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Return a command's exit status and what a terminal of so many columns shows, plain."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    # These would overrule the terminal's own size.
    inherited = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command, cwd=cwd, env=inherited, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65_536)
            except OSError:  # what Linux has for the end
                break
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", shown.decode())
