"""The stage before all training writes the same files everywhere, and none if it fails."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.base.models import MODELS
from tests.conftest import ROOT

OUTPUTS = ["plots/costs.csv", *(f"plots/shapes/{model}.json" for model in MODELS)]


@pytest.fixture
def project(fashion_mnist: Path, tmp_path: Path) -> Path:
    """A folder with the default params and the images, to which the stage writes."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/fashion_mnist").symlink_to(fashion_mnist)
    (tmp_path / "dvc.yaml").touch()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def check_shapes(project: Path, threads: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the stage in a folder, on the given number of threads."""
    return subprocess.run(
        [sys.executable, str(ROOT / "stages" / "check_shapes.py")],
        cwd=project,
        env={"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )


def edit(project: Path, section: str, key: str, value: object) -> None:
    """Change the value of a key of a section."""
    text = (project / "params.yaml").read_text()
    changed = re.sub(rf"(?ms)^({section}:.*?^  {key}:) \S+", rf"\1 {value}", text, count=1)
    assert changed != text
    (project / "params.yaml").write_text(changed)


def test_files_do_not_depend_on_threads_or_precision(project: Path) -> None:
    written = []
    for threads, precision in ((1, "float32"), (2, "auto")):
        edit(project, "training", "precision", precision)
        done = check_shapes(project, threads)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout.count(" GFLOP/s ") == len(MODELS)
        written.append([(project / name).read_bytes() for name in OUTPUTS])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("budget", "parameters", 1000, "vgg: budget.parameters: expected at most 1000, estimated"),
        ("vgg", "image_size", 31, "vgg, image_size 31: features.20 (MaxPool2d): kernel:"),
        (
            "vgg",
            "image_size",
            31,
            "(2, 2); its input has shape (64, 1, 1): raise vgg.image_size\nThe",
        ),
        ("lenet", "image_size", 28.5, "lenet.image_size: expected an integer, got 28.5"),
    ],
)
def test_if_it_fails_it_says_why_and_writes_nothing(
    project: Path, section: str, key: str, value: object, message: str
) -> None:
    edit(project, section, key, value)
    done = check_shapes(project)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not any((project / name).exists() for name in OUTPUTS)
