"""The four IDX files of Fashion-MNIST: how they are verified and written."""

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import folder_beside


@dataclass(frozen=True)
class IdxFile:
    """A file of the dataset, identified by the size and hash of its decompressed content."""

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


def most_bytes(file: IdxFile) -> int:
    """Return a size that `file` does not exceed, gzipped or not: gzip adds less than 0.1%."""
    return file.num_bytes + file.num_bytes // 100 + 65_536


def verified(file: IdxFile, received: bytes) -> bytes:
    """Return the content of `received`, which may be gzip, or raise if it is not that of `file`."""
    expected = f"expected {file.num_bytes} bytes with SHA-256 {file.sha256}"
    content = received
    if received.startswith(b"\x1f\x8b"):
        try:
            # Unpacking one byte more than expected is enough to refuse a gzip bomb.
            content = zlib.decompressobj(wbits=31).decompress(received, file.num_bytes + 1)
        except zlib.error as error:
            raise InputError(f"{file.name}: {expected}, got damaged gzip ({error})") from error
    if len(content) > file.num_bytes:
        raise InputError(f"{file.name}: {expected}, got more than {file.num_bytes} bytes")
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) != file.num_bytes or sha256 != file.sha256:
        raise InputError(f"{file.name}: {expected}, got {len(content)} bytes with SHA-256 {sha256}")
    return content


def write(destination: Path, contents: dict[str, bytes]) -> None:
    """Write a folder of files beside `destination`, then rename it to `destination`."""
    with folder_beside(destination, sum(map(len, contents.values()))) as work:
        complete, previous = work / "complete", work / "previous"
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
