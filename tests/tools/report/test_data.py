"""The report's section on the data: is it the baseline's, and if not, how far from it?"""

import re
import shutil
from pathlib import Path

import pytest
import torch

from fashion_cnn.tools.report.writing import write
from tests.conftest import Shell
from tests.made_images import idx, write_folder
from tests.made_weights import save_lenet

STAGES = """\
stages:
  download:
    cmd: cp -r $IMAGES data/fashion_mnist
    params: [dataset]
    outs: [data/fashion_mnist]
  train:
    cmd: mkdir -p data/models && cp $WEIGHTS data/models/lenet.safetensors
    deps: [data/fashion_mnist]
    outs: [data/models/lenet.safetensors]
"""
PARAMS = """\
dataset: {{validation_images: 10, split_seed: 0, mean: 0.5, standard_deviation: 0.5{folder}}}
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey images, 40 of ten classes; in `shop`, 30 brighter ones, of the first five classes."""
    above = tmp_path_factory.mktemp("images")
    for name, count, level in (("grey", 40, 51), ("shop", 30, 102)):
        pixels = torch.full((count, 28, 28), level, dtype=torch.uint8)
        write_folder(above / name, train=pixels, t10k=pixels[:10])
    labels = torch.arange(30).remainder(5).to(torch.uint8)
    (above / "shop" / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    return above


@pytest.fixture
def project(tmp_path: Path, images: Path, shell: Shell) -> Path:
    """A repository with an untrained LeNet, on the images `grey` at that tag and `shop` now."""
    torch.manual_seed(0)
    save_lenet(tmp_path / "lenet.safetensors")
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "dvc.yaml").write_text(STAGES)
    for command in (("git", "init", "-q"), ("dvc", "init", "-q")):
        assert shell(*command, cwd=folder).returncode == 0
    for name, key in (("grey", ""), ("shop", ", folder: data/own/shop")):
        (folder / "params.yaml").write_text(PARAMS.format(folder=key))
        paths = {"IMAGES": str(images / name), "WEIGHTS": str(tmp_path / "lenet.safetensors")}
        done = shell("dvc", "repro", "-q", cwd=folder, **paths)
        assert done.returncode == 0, done.stderr
        for arguments in (["add", "-A"], ["commit", "-qm", name], ["tag", name]):
            assert shell("git", *arguments, cwd=folder).returncode == 0
    return folder


def section(folder: Path, now: str, baseline: str, written: Path) -> str:
    """The section on the data of a report in text."""
    write(folder, now, baseline, written)
    text = (written / "report.md").read_text()
    return next(part for part in re.split(r"^## ", text, flags=re.M) if part.startswith("The data"))


def rows(text: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_other_images_are_compared_with_the_baselines(project: Path, tmp_path: Path) -> None:
    text = section(project, "shop", "grey", tmp_path / "written")
    found = rows(text)
    assert found["Brightness"] == ["0.200", "0.400", "1.000", "&lt;\N{NO-BREAK SPACE}0.001"]
    assert found["Contrast"][:3] == ["0.000", "0.000", "0.000"]
    # The baseline has ten classes of almost the same size, this run has five.
    assert found["Largest label share"][1] == "0.200"
    assert found["LeNet's confidence"][2:] == ["1.000", "&lt;\N{NO-BREAK SPACE}0.001"]
    assert found["This run"][0].startswith("data/own/shop")
    assert found["Baseline"][0].startswith("Fashion-MNIST")
    assert found["This run"][1] != found["Baseline"][1]
    assert "30 training images against the baseline's 30" in text
    html = (tmp_path / "written" / "report.html").read_text()
    assert "This run: 20.0%" in html
    assert "This run: 0.0%" in html
    # The other networks were never trained here.
    assert "data/models/vgg11.safetensors is not in" in text


def test_a_sentence_says_that_the_images_are_the_same(
    project: Path, tmp_path: Path, shell: Shell
) -> None:
    done = shell("git", "commit", "-q", "--allow-empty", "-m", "another", cwd=project)
    assert done.returncode == 0
    text = section(project, "HEAD", "shop", tmp_path / "written")
    assert "They are the baseline's, byte by byte." in text
    assert "Brightness" not in text


def test_images_that_the_cache_lacks_are_noted(project: Path, tmp_path: Path) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    text = section(project, "workspace", "grey", tmp_path / "written")
    assert re.search(r"of grey \(\w+\) is not in the cache: dvc pull", text)
    assert "Brightness" not in text


def test_images_missing_from_the_workspace_are_taken_from_the_cache(
    project: Path, tmp_path: Path
) -> None:
    shutil.rmtree(project / "data" / "fashion_mnist")
    text = section(project, "workspace", "grey", tmp_path / "written")
    assert rows(text)["Brightness"][:2] == ["0.200", "0.400"]


def test_damaged_images_and_odd_params_are_noted(
    project: Path, tmp_path: Path, shell: Shell
) -> None:
    path = project / "data" / "fashion_mnist" / "train-images-idx3-ubyte"
    path.write_bytes(b"")
    text = section(project, "workspace", "grey", tmp_path / "one")
    assert "- data/fashion_mnist/train-images-idx3-ubyte is truncated or not an IDX file" in text
    for name, content in (("odd", "dataset: 7\n"), ("empty", ""), ("few", "dataset: {mean: 1}\n")):
        (project / "params.yaml").write_text(content)
        for arguments in (["commit", "-qam", name], ["tag", name]):
            assert shell("git", *arguments, cwd=project).returncode == 0
        text = section(project, "grey", name, tmp_path / name)
        assert f"dataset in params.yaml of {name}" in text
