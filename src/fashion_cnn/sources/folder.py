"""The four files from a folder on this machine."""

from collections.abc import Sequence
from pathlib import Path

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources.files import IdxFile, most_bytes, verified


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
            contents[file.name] = verified(file, stream.read(most_bytes(file)))
    return contents
