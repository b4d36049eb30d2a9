"""The Debian package of Fashion-MNIST, fetched and unpacked without root."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources.files import IdxFile
from fashion_cnn.sources.folder import read_folder

PACKAGE = "dataset-fashion-mnist"
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def read_debian_package(files: Sequence[IdxFile], *, seconds: float = 300) -> dict[str, bytes]:
    """Fetch and unpack the Debian or Ubuntu package in a temporary folder, without root.

    Args:
        files: what the package must hold.
        seconds: longest time for one command.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise InputError("needs apt-get and dpkg-deb, which only Debian, Ubuntu and the like have")
    with TemporaryDirectory() as name:
        scratch = Path(name)
        package = _download_package(scratch, seconds)
        _call(scratch, seconds, "dpkg-deb", "-x", str(package), "unpacked")
        return read_folder(scratch / "unpacked" / SYSTEM_FOLDER.relative_to("/"), files)


def _download_package(folder: Path, seconds: float) -> Path:
    """Download the .deb to `folder`, with package lists of its own if the system's don't help."""
    options = [
        # As root, apt would otherwise switch to a user that may not write to `folder`.
        "-oAPT::Sandbox::User=",
        # An update that fetched no list at all would otherwise succeed.
        "-oAPT::Update::Error-Mode=any",
        "-oAcquire::Retries=0",
        "-oAcquire::http::Timeout=5",
    ]
    own_lists = [f"-oDir::State::Lists={folder}/lists", f"-oDir::Cache={folder}/cache"]
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    download = ["download", PACKAGE]
    reasons = []
    for arguments in (download, [*own_lists, "update"], [*own_lists, *download]):
        try:
            _call(folder, seconds, "apt-get", *options, *arguments)
            if PACKAGE in arguments:
                return next(folder.glob("*.deb"))
        except InputError as error:
            # An update fails if a single list does; only the download after it decides.
            reasons.append(str(error))
    raise InputError("; ".join(reasons))


def _call(folder: Path, seconds: float, *command: str) -> None:
    """Run a command in `folder`, quietly; if it fails, its first line of stderr is the reason."""
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{command[0]}: not complete after {seconds} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines()
        reason = lines[0] if lines else f"exit status {error.returncode}"
        raise InputError(f"{command[0]}: {reason}") from error
