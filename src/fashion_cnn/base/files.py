"""Files that are written whole or not at all."""

import csv
import glob
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block succeeds, rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        unfinished.chmod(0o644)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _clear_abandoned(path: Path) -> None:
    """Remove the temporary files that killed processes left beside `path`."""
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        try:
            os.kill(int(abandoned.suffixes[-2][1:]), 0)
        except ProcessLookupError:
            abandoned.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line feeds to `path`, atomically."""
    with written_atomically(path) as unfinished:
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
