"""An experiment's copy of the repository finds the repository it was copied from."""

from pathlib import Path

import pytest

from fashion_cnn.base import paths
from fashion_cnn.base.errors import InputError
from fashion_cnn.models import vgg11
from fashion_cnn.sources import own_data
from tests import recipes


@pytest.mark.parametrize("copy", ["tmpabc", "standalone/tmpabc"])
def test_the_checkpoints_of_an_experiment_outlive_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: str
) -> None:
    folder = tmp_path / ".dvc/tmp/exps" / copy
    for each in (tmp_path, folder):
        each.mkdir(parents=True, exist_ok=True)
        (each / "dvc.yaml").touch()
        monkeypatch.chdir(each)
        assert paths.root() == each
        assert paths.repository() == tmp_path
        assert paths.checkpoints_folder() == tmp_path / ".checkpoints"
    monkeypatch.setenv("CHECKPOINTS", str(tmp_path / "elsewhere"))
    assert paths.checkpoints_folder() == tmp_path / "elsewhere"


def test_what_a_copy_lacks_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    for folder in (tmp_path, copy):
        (folder / "data/own").mkdir(parents=True)
        (folder / "dvc.yaml").touch()
    (tmp_path / "data/own/shop").mkdir()
    monkeypatch.chdir(copy)
    images = copy / "data/own/shop"
    with pytest.raises(InputError, match=r"got '.*shop'; .* copy.*: run `dvc add data/own/shop` f"):
        own_data.adopt(images, images.parent, copy / "data/fashion_mnist", recipes.dataset())
    with pytest.raises(InputError, match=r"got 'data/own/shop'; .* `-C data/own/shop`$"):
        vgg11.build(image_size=32, weights="data/own/shop")
    # What the repository lacks too is no fault of the copy; nor is there one in the repository.
    assert paths.left_out("data/own/other") == ""
    monkeypatch.chdir(tmp_path)
    assert paths.left_out("data/own/shop") == ""
