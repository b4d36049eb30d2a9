"""A file is written whole or not at all, where it can be written."""

import csv
import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from fashion_cnn.base import files
from fashion_cnn.base.errors import InputError


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


def test_only_the_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    in_use = tmp_path / f".a.json.{os.getppid()}.tmp"
    # Of an earlier process, this one's number may be the same.
    for process in (dead.pid, os.getpid(), 10**30, "mine"):
        folder = tmp_path / f".a.json.{process}.tmp"
        folder.mkdir()
        (folder / "half").touch()
    in_use.mkdir()
    (tmp_path / f".a.json.0{dead.pid}.tmp").touch()
    files.write_json(tmp_path / "a.json", 1)
    assert sorted(tmp_path.iterdir()) == sorted([in_use, tmp_path / "a.json"])


def test_what_another_users_process_is_writing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: int, number: int) -> None:
        raise PermissionError

    theirs = tmp_path / ".a.json.1.tmp"
    theirs.mkdir()
    monkeypatch.setattr(os, "kill", refuse)
    files.write_json(tmp_path / "a.json", 1)
    assert theirs.is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_file_and_the_space_needed(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.bin"
    path.write_text("before")
    message = rf"^{path}: its disk is full \([\d,.]+ MB are free, 12.4 MB are needed\): free some"
    with pytest.raises(InputError, match=message), files.written_atomically(path, 12_345_678):
        raise OSError(number, "full")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    files.check_writable(tmp_path, tmp_path / "missing" / "folder")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(InputError, match=f"^{tmp_path / 'file'} can't be written: .* not a fo"):
            files.check_writable(tmp_path, folder)
    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(InputError, match="broken can't be written"):
        files.check_writable(tmp_path / "broken" / "folder")
