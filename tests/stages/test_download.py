"""The stage as DVC and a user run it: a process, a status, what it prints and writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.sources.debian import SYSTEM_FOLDER
from fashion_cnn.sources.files import FILES

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Copy what marks and parametrises a repository, and a folder inside it."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "stages").mkdir()
    return tmp_path


def download(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "stages" / "download.py")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.data
@pytest.mark.parametrize("folder", [".", "stages"])
def test_writes_into_the_repository_from_any_folder_in_it(
    folder: str, repository: Path, fashion_mnist: Path
) -> None:
    result = download(repository / folder, FASHION_MNIST_DIR=str(fashion_mnist))
    assert (result.returncode, result.stderr) == (0, "")
    assert f"used FASHION_MNIST_DIR={fashion_mnist}" in result.stdout
    written = {path.name: path.stat().st_size for path in (repository / "data").glob("*/*")}
    assert written == {file.name: file.num_bytes for file in FILES}


def test_params_are_checked_before_anything_is_fetched(repository: Path) -> None:
    (repository / "params.yaml").write_text("{}\n")
    result = download(repository)
    assert result.returncode == 1
    assert result.stderr.startswith("error: params.yaml")
    assert result.stdout == ""
    assert not (repository / "data").exists()


@pytest.mark.skipif(SYSTEM_FOLDER.is_dir(), reason=f"{SYSTEM_FOLDER} has the dataset")
def test_no_source_at_all(repository: Path, tmp_path: Path) -> None:
    # Port 9 of this machine stands for a network that refuses; an empty PATH for one without apt.
    result = download(
        repository,
        FASHION_MNIST_DIR=str(tmp_path),
        PATH=str(tmp_path),
        http_proxy="http://127.0.0.1:9",
        no_proxy="",
    )
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "error: no source gave Fashion-MNIST:"
    assert f"FASHION_MNIST_DIR={tmp_path}: holds neither" in lines[1]
    assert f"{SYSTEM_FOLDER}: no such folder" in lines[2]
    assert "refused" in lines[3]
    assert "needs apt-get and dpkg-deb" in lines[-2]
    assert "set FASHION_MNIST_DIR to a folder" in lines[-1]
    assert not (repository / "data").exists()
