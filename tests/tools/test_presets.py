"""A preset holds what differs from the default, and is written into params.yaml as a whole."""

import re
from pathlib import Path

import pytest
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import presets
from tests.conftest import ROOT

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with params.yaml and the presets, and the working folder."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "presets").mkdir()
    for path in PRESETS:
        (tmp_path / "presets" / path.name).write_text(path.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path: Path) -> dict[str, object]:
    return flatten(YAML(typ="safe").load(path) or {})


def test_the_four_presets_are_there_and_cpu_is_the_committed_file(project: Path) -> None:
    assert presets.names() == ["cpu", "gpu", "notebook", "smoke"]
    assert read(project / "params.yaml") == flatten(presets.defaults())
    presets.apply("cpu")
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_holds_only_what_differs_and_says_what_it_is_for(path: Path) -> None:
    usual = flatten(presets.defaults())
    assert not {key: value for key, value in read(path).items() if usual.get(key) == value}
    head = re.match(r"(#.*\n)*", path.read_text())
    assert head
    for wanted in (f"make repro PRESET={path.stem}", "Measured"):
        assert wanted in head[0]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_written_whole_with_the_comments_and_back(project: Path, path: Path) -> None:
    presets.apply(path.stem)
    written = project / "params.yaml"
    assert read(written) == flatten(presets.defaults()) | read(path)
    params.load(written)
    text = written.read_text()
    assert f"make repro PRESET={path.stem}" in text
    assert "# the images are 28" in text
    assert text.count("\n\n") == (ROOT / "params.yaml").read_text().count("\n\n")
    presets.apply("cpu")
    assert written.read_text() == (ROOT / "params.yaml").read_text()


def test_comments_of_one_s_own_stay(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("  epochs: 40", "  epochs: 40  # mine", 1))
    presets.apply("smoke")
    assert re.search(r"  epochs: 2 +# mine", path.read_text())


def test_a_file_that_dvc_has_written_is_as_it_was_again(project: Path) -> None:
    path = project / "params.yaml"
    before = path.read_text()
    with modify_yaml(str(path)) as values:
        values["lenet"]["learning_rate"] = 1e-5
        values["export_images"]["images"] = [0, 17]
        values["export_images"]["maps_after"] = ["convolution", "activation", "pool"]
    assert path.read_text() != before
    presets.apply("cpu")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lenet:\n  epochs: 0\n", "presets/odd.yaml has 1 fault"),
        ("lenet:\n  epoch: 1\n", "lenet.epoch: unknown key"),
        ("lenet: [\n", "odd.yaml cannot be read"),
    ],
)
def test_a_preset_with_a_fault_leaves_the_params_alone(
    project: Path, text: str, message: str
) -> None:
    (project / "presets/odd.yaml").write_text(text)
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(InputError, match=message):
        presets.apply("odd")
    assert (project / "params.yaml").read_bytes() == before


def test_a_preset_that_is_not_there_is_refused_with_those_that_are(project: Path) -> None:
    with pytest.raises(InputError, match="no preset 'tpu'; choose one of: cpu gpu notebook smoke"):
        presets.apply("tpu")
