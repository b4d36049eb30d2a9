"""A file is written whole or not at all; an error that a user can fix is one message."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.base import files
from tests.conftest import ROOT


def test_a_file_appears_whole_with_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "text.txt"
    with files.written_atomically(path) as unfinished:
        unfinished.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert path.stat().st_mode & 0o777 == 0o644
    files.write_text(path, "a\nb\n")
    assert path.read_bytes() == b"a\nb\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_file_as_it_was_and_nothing_beside_it(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "text.txt"
    path.write_text("before")
    with pytest.raises(error), files.written_atomically(path) as unfinished:  # noqa: PT012
        unfinished.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_tables_and_values_are_read_back(tmp_path: Path) -> None:
    rows = [{"name": "a, b", "value": 1.5}, {"name": 'c"d', "value": 2}]
    files.write_csv(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open(newline="") as file:
        read = [{"name": row["name"], "value": float(row["value"])} for row in csv.DictReader(file)]
    assert read == rows
    files.write_json(tmp_path / "value.json", {"a": [1, None]})
    assert json.loads((tmp_path / "value.json").read_text()) == {"a": [1, None]}


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        ("InputError('fix this')", 1, "error: fix this\n"),
        ("KeyboardInterrupt", 130, ""),
    ],
)
def test_a_users_error_ends_without_a_traceback(raised: str, status: int, message: str) -> None:
    code = f"""
from fashion_cnn.base.errors import InputError, run
def main():
    raise {raised}
run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, message)


def test_only_the_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    abandoned = tmp_path / f".a.json.{dead.pid}.tmp"
    in_use = tmp_path / f".a.json.{os.getppid()}.tmp"
    for path in (abandoned, in_use):
        path.touch()
    files.write_json(tmp_path / "a.json", 1)
    assert sorted(tmp_path.iterdir()) == sorted([in_use, tmp_path / "a.json"])
