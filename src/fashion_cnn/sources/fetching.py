"""Fashion-MNIST from the first source that verifies: a folder, the system, a mirror, Debian.

A file is identified by the SHA-256 of its decompressed content, as gzip headers differ.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources.debian import PACKAGE, SYSTEM_FOLDER, read_debian_package
from fashion_cnn.sources.files import FILES, IdxFile, write
from fashion_cnn.sources.folder import read_folder
from fashion_cnn.sources.mirror import read_mirror

FOLDER_VARIABLE = "FASHION_MNIST_DIR"


@dataclass(frozen=True)
class Source:
    """A place that may hold the dataset; `read` returns the verified files by name, or raises."""

    name: str
    read: Callable[[Sequence[IdxFile]], dict[str, bytes]]


def default_sources() -> Iterator[Source]:
    """Yield the sources in the order they are tried; each of torchvision's mirrors is one."""
    if named := os.environ.get(FOLDER_VARIABLE):
        yield Source(f"{FOLDER_VARIABLE}={named}", partial(read_folder, Path(named)))
    yield Source(str(SYSTEM_FOLDER), partial(read_folder, SYSTEM_FOLDER))
    # Imported only here: the import takes seconds, and a local copy does not need it.
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    for mirror in FashionMNIST.mirrors:
        yield Source(mirror, partial(read_mirror, mirror))
    yield Source(f"Debian package {PACKAGE}", read_debian_package)


def fetch(
    destination: Path,
    sources: Iterable[Source] | None = None,
    files: Sequence[IdxFile] = FILES,
) -> None:
    """Write the decompressed files to `destination`, all from the first source that has them.

    Args:
        destination: a folder, replaced as a whole or left as it was.
        sources: tried in this order; by default `default_sources()`.
        files: what a source must have; nothing else is written.

    Raises:
        InputError: every source fails, or `destination` can't be written.
    """
    failures = []
    for source in default_sources() if sources is None else sources:
        print(f"Fashion-MNIST: trying {source.name}", flush=True)
        try:
            contents = source.read(files)
        except (InputError, OSError) as error:
            print(f"  skipped: {error}", flush=True)
            failures.append(f"  {source.name}: {error}")
            continue
        try:
            write(destination, contents)
        except OSError as error:
            raise InputError(f"{destination} can't be written: {error}") from error
        print(f"Fashion-MNIST: used {source.name}", flush=True)
        return
    names = ", ".join(file.name for file in files)
    raise InputError(
        "no source gave Fashion-MNIST:\n"
        + "\n".join(failures)
        + f"\nCheck the network, run `sudo apt install {PACKAGE}`, or set {FOLDER_VARIABLE} to a "
        f"folder that holds, as .gz or decompressed: {names}"
    )
