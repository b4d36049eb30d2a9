"""Files that are written whole or not at all."""

import csv
import glob
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fashion_cnn.base.errors import DiskFullError, InputError
from fashion_cnn.base.faults import is_full, out_of_space


@contextmanager
def written_atomically(path: Path, num_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary path; when the block succeeds, rename its file to `path`.

    Args:
        path: the file; its folder is made where it is missing.
        num_bytes: of the file, where it is known, for the message of a full disk.

    Raises:
        DiskFullError: there is no room for it.
    """
    with folder_beside(path, num_bytes) as folder:
        unfinished = folder / path.name
        yield unfinished
        unfinished.chmod(0o644)
        unfinished.replace(path)


@contextmanager
def folder_beside(path: Path, num_bytes: int | None = None) -> Iterator[Path]:
    """Yield a new folder beside `path`, on the same disk, for what the block writes.

    Nothing of it stays: what a killed process has left is removed when `path` is written again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if not _is_in_use(abandoned):
            _remove(abandoned)
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        folder.mkdir()
        yield folder
    except Exception as error:
        if is_full(error):
            raise DiskFullError(out_of_space(path, num_bytes)) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove what processes have left of files that they were writing into `folder`."""
    for abandoned in folder.glob(".*.tmp"):
        _remove(abandoned)


def check_writable(*folders: Path) -> None:
    """Check, before the work begins, that files can be written into folders, which may be missing.

    Raises:
        InputError: one can't be written; the message names it.
    """
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise InputError(
                f"{there} can't be written: it is read-only, another user's, or not a folder; make "
                "it writable and run the same command again"
            )


def _is_in_use(unfinished: Path) -> bool:
    """Return whether the process that writes a temporary file or folder is still there."""
    process = unfinished.suffixes[-2][1:]
    if not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        # It belongs to another user.
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line feeds to `path`, atomically."""
    with written_atomically(path, len(text)) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, atomically."""
    write_text(path, as_json(value))


def as_json(value: object) -> str:
    """Return `value` as the text of an indented JSON file."""
    return json.dumps(value, indent=2) + "\n"


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows, all with the same keys, as CSV with a header to `path`, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def file_md5(path: Path) -> str:
    """Return a file's MD5 as hex digits, which is what DVC knows it by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
