"""A file is whole or not there; an error a user can mend ends in one message."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.base import files


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
    ("raised", "status", "told"),
    [
        ("InputError('mend this')", 1, "error: mend this\n"),
        ("KeyboardInterrupt", 130, ""),
    ],
)
def test_a_users_error_ends_without_a_traceback(raised: str, status: int, told: str) -> None:
    code = f"""
from fashion_cnn.base.errors import InputError, run
def main():
    raise {raised}
run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": "src"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, told)


def test_what_a_killed_process_left_is_cleared_away_but_no_living_ones(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / f".a.json.{dead.pid}.tmp"
    living = tmp_path / f".a.json.{os.getppid()}.tmp"
    for path in (left, living):
        path.touch()
    files.write_json(tmp_path / "a.json", 1)
    assert sorted(tmp_path.iterdir()) == sorted([living, tmp_path / "a.json"])
