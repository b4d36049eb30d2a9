"""Fashion-MNIST from the first source that verifies: a folder, the system, a mirror, Debian.

Identity is the SHA-256 of the decompressed file: the gzip wrapper differs from source to source.
"""

import hashlib
import http.client
import os
import shutil
import subprocess
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from fashion_cnn.errors import InputError

FOLDER_VARIABLE = "FASHION_MNIST_DIR"
PACKAGE = "dataset-fashion-mnist"
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class IdxFile:
    """A file of the dataset, by the size and hash of its decompressed content."""

    name: str
    num_bytes: int
    sha256: str


FILES = (
    IdxFile(
        name="train-images-idx3-ubyte",
        num_bytes=47_040_016,
        sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    IdxFile(
        name="train-labels-idx1-ubyte",
        num_bytes=60_008,
        sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    IdxFile(
        name="t10k-images-idx3-ubyte",
        num_bytes=7_840_016,
        sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    IdxFile(
        name="t10k-labels-idx1-ubyte",
        num_bytes=10_008,
        sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


@dataclass(frozen=True)
class Source:
    """A place that may hold the dataset; `read` returns every file verified, by name, or raises."""

    name: str
    read: Callable[[Sequence[IdxFile]], dict[str, bytes]]


def default_sources() -> Iterator[Source]:
    """Yield the four sources in the order they are tried, each torchvision mirror by itself."""
    if named := os.environ.get(FOLDER_VARIABLE):
        yield Source(f"{FOLDER_VARIABLE}={named}", partial(read_folder, Path(named)))
    yield Source(str(SYSTEM_FOLDER), partial(read_folder, SYSTEM_FOLDER))
    # Here and not above: the import takes seconds, and a local copy does without it.
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    for mirror in FashionMNIST.mirrors:
        yield Source(mirror, partial(read_mirror, mirror))
    yield Source(f"Debian package {PACKAGE}", read_debian_package)


def fetch(
    destination: Path,
    sources: Iterable[Source] | None = None,
    files: Sequence[IdxFile] = FILES,
) -> None:
    """Write the decompressed files to `destination`, all from the first source that verifies.

    Args:
        destination: a folder, replaced as a whole or left as it was.
        sources: tried in this order; by default `default_sources()`.
        files: what must be found, and nothing else is written.

    Raises:
        InputError: no source verifies, with each one's reason, or `destination` can't be written.
    """
    failures = []
    for source in default_sources() if sources is None else sources:
        print(f"Fashion-MNIST: trying {source.name}", flush=True)
        try:
            contents = source.read(files)
        except (InputError, OSError) as error:
            print(f"  passed over: {error}", flush=True)
            failures.append(f"  {source.name}: {error}")
            continue
        try:
            write(destination, contents)
        except OSError as error:
            raise InputError(f"{destination}: can't be written: {error}") from error
        print(f"Fashion-MNIST: used {source.name}", flush=True)
        return
    names = ", ".join(file.name for file in files)
    raise InputError(
        "no source gave Fashion-MNIST:\n"
        + "\n".join(failures)
        + f"\nCheck the network, run `sudo apt install {PACKAGE}`, or set {FOLDER_VARIABLE} to a "
        f"folder that holds, as .gz or decompressed: {names}"
    )


def read_folder(folder: Path, files: Sequence[IdxFile]) -> dict[str, bytes]:
    """Read the files, as .gz or decompressed, from a folder."""
    if not folder.is_dir():
        raise InputError("no such folder")
    contents = {}
    for file in files:
        paths = [folder / file.name, folder / f"{file.name}.gz"]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise InputError(f"holds neither {file.name} nor {file.name}.gz")
        with path.open("rb") as stream:
            contents[file.name] = _verified(file, stream.read(_most_bytes(file)))
    return contents


def read_mirror(
    mirror: str,
    files: Sequence[IdxFile],
    *,
    silence_seconds: float = 5,
    total_seconds: float = 600,
) -> dict[str, bytes]:
    """Download the files from a web folder, through the environment's proxies.

    Args:
        mirror: the folder's address.
        files: what to download, as .gz.
        silence_seconds: longest wait for a connection and between two pieces of a reply.
        total_seconds: longest time for one file.
    """
    contents = {}
    for file in files:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            received = _download(url, _most_bytes(file), silence_seconds, total_seconds)
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{file.name}.gz: {error}") from error
        contents[file.name] = _verified(file, received)
    return contents


def read_debian_package(files: Sequence[IdxFile], *, seconds: float = 300) -> dict[str, bytes]:
    """Fetch and unpack the Debian or Ubuntu package in a scratch folder, without root.

    Args:
        files: what the package must hold.
        seconds: longest time for one command.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise InputError("needs apt-get and dpkg-deb, which only Debian and its like have")
    with TemporaryDirectory() as name:
        scratch = Path(name)
        package = _download_package(scratch, seconds)
        _call(scratch, seconds, "dpkg-deb", "-x", str(package), "unpacked")
        return read_folder(scratch / "unpacked" / SYSTEM_FOLDER.relative_to("/"), files)


def _most_bytes(file: IdxFile) -> int:
    """Return a size that no honest wrapping of `file` exceeds: gzip adds under 0.1 percent."""
    return file.num_bytes + file.num_bytes // 100 + 65_536


def _verified(file: IdxFile, received: bytes) -> bytes:
    """Return the decompressed content of `received`, which may be gzip, if it is `file`'s."""
    expected = f"expected {file.num_bytes} bytes with SHA-256 {file.sha256}"
    content = received
    if received.startswith(b"\x1f\x8b"):
        try:
            # One byte over the expected size is enough to refuse a gzip bomb.
            content = zlib.decompressobj(wbits=31).decompress(received, file.num_bytes + 1)
        except zlib.error as error:
            raise InputError(f"{file.name}: {expected}, got damaged gzip ({error})") from error
    if len(content) > file.num_bytes:
        raise InputError(f"{file.name}: {expected}, got more than {file.num_bytes} bytes")
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) != file.num_bytes or sha256 != file.sha256:
        raise InputError(f"{file.name}: {expected}, got {len(content)} with SHA-256 {sha256}")
    return content


def _download(url: str, most_bytes: int, silence_seconds: float, total_seconds: float) -> bytes:
    deadline = time.monotonic() + total_seconds
    received = bytearray()
    name = url.rpartition("/")[2]
    # disable=None: a bar on a terminal only.
    with (
        urllib.request.urlopen(url, timeout=silence_seconds) as reply,
        tqdm(total=reply.length, desc=name, unit="B", unit_scale=True, disable=None) as bar,
    ):
        # read1, since read would wait for all of a reply that comes byte by byte.
        while piece := reply.read1(1 << 16):
            received += piece
            bar.update(len(piece))
            if len(received) > most_bytes:
                raise OSError(f"more than {most_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {total_seconds} s")
    return bytes(received)


def _download_package(folder: Path, seconds: float) -> Path:
    """Put the .deb into `folder`, with package lists of its own where the system's are no use."""
    options = [
        # Root's apt would otherwise change to a user that may not write to the scratch folder.
        "-oAPT::Sandbox::User=",
        # Otherwise an update that fetched no list at all succeeds.
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
            # An update fails when any one list does: only the download after it decides.
            reasons.append(str(error))
    raise InputError("; ".join(reasons))


def _call(folder: Path, seconds: float, *command: str) -> None:
    """Run a command in `folder`, quietly; the first line it complains with is the reason."""
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{command[0]}: not complete after {seconds} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines()
        reason = lines[0] if lines else f"exit status {error.returncode}"
        raise InputError(f"{command[0]}: {reason}") from error


def write(destination: Path, contents: dict[str, bytes]) -> None:
    """Write a folder of files beside its place, then rename it into it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name}-"
    with TemporaryDirectory(dir=destination.parent, prefix=prefix) as work:
        complete, previous = Path(work, "complete"), Path(work, "previous")
        complete.mkdir()
        complete.chmod(0o755)
        for name, content in contents.items():
            (complete / name).write_bytes(content)
            (complete / name).chmod(0o644)
        try:
            if os.path.lexists(destination):
                destination.rename(previous)
            complete.rename(destination)
        finally:
            if os.path.lexists(previous) and not os.path.lexists(destination):
                previous.rename(destination)
