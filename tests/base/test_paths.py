"""An experiment's copy of the repository finds the repository it was copied from."""

from pathlib import Path

import pytest

from fashion_cnn.base import paths


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
