"""Whether git can read the project, what most tools need first, and whether it was edited."""

import os
import subprocess
from pathlib import Path

from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.paths import root


def check(folder: Path) -> None:
    """Raise InputError unless a folder is in a git repository with a commit, which git reads."""
    # The messages that are looked for are those of git's own language.
    environment = os.environ | {"LC_ALL": "C"}
    command = ("git", "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise InputError("git is not installed, or not on the PATH: install it") from None
    if "dubious ownership" in done.stderr:
        raise InputError(
            f"{folder} belongs to another user, so git does not read it: make it yours with "
            f"`chown -R`, or trust it with `git config --global --add safe.directory '{folder}'`"
        )
    if "not a git repository" in done.stderr:
        raise InputError(
            f"{folder} is not in a git repository, such as an unpacked archive: this needs the "
            "history, so run it in a clone made with `git clone`"
        )
    if done.returncode:
        reason = " ".join(done.stderr.split()) or "it has no commit: make one with `git commit`"
        raise InputError(f"git cannot read {folder}: {reason}")


def edited(folder: Path) -> bool:
    """Return whether a file that git tracks is not as in the last commit."""
    command = ("git", "diff", "--quiet", "HEAD")
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0


if __name__ == "__main__":
    run(lambda: check(root()))
