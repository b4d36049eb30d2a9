"""A model's numbers, from metrics files of the present format and of the old one."""

from pathlib import Path
from typing import Any

import pytest

from fashion_cnn.base.files import write_json
from fashion_cnn.tools.revision import MissingError, Revision
from tests.conftest import Shell

MADE_WITH = {"device": "cpu", "threads": 2}
NUMBERS = {
    "validation_accuracy": 0.8,
    "epoch": 3,
    "made_with": MADE_WITH,
    "accuracy": 0.9,
    "accuracy_low": 0.89,
    "images": 10_000,
    "expected_calibration_error": 0.01,
}
OLD = {
    "metrics/train/vgg.json": {"epoch": 3, "validation_accuracy": 0.8, "made_with": MADE_WITH},
    "metrics/evaluate/vgg.json": {
        "images": 10_000,
        "accuracy": 0.9,
        "accuracy_low": 0.89,
        "expected_calibration_error": 0.01,
    },
    "metrics/export_images/vgg.json": {"images": 1000, "channels": 22, "dead_channels": 1},
}
NEW = {
    "metrics/train/vgg.json": {
        "vgg": {"validation_accuracy": 0.8, "epoch": 3},
        "details": [{"made_with": MADE_WITH}],
    },
    "metrics/evaluate/vgg.json": {
        "vgg": {"accuracy": 0.9},
        "details": [{"images": 10_000, "accuracy_low": 0.89}],
    },
    "plots/reliability/vgg.json": {
        "vgg": {"expected_calibration_error": 0.01},
        "bins": [{"low": 0.9, "high": 1.0, "images": 10_000}],
    },
    "metrics/export_images/vgg.json": {
        "vgg": {"dead_channels": 1},
        "details": [{"images": 1000, "channels": 22}],
        "layers": [{"layer": "conv1", "channels": 22, "dead_channels": 1}],
    },
}


@pytest.mark.parametrize("files", [OLD, NEW], ids=["old", "new"])
def test_the_numbers_of_a_model_are_flat_in_both_formats(
    toy: Path, shell: Shell, files: dict[str, Any]
) -> None:
    for path, values in files.items():
        write_json(toy / path, values)
    for arguments in (["add", "-A"], ["commit", "-qm", "metrics"]):
        assert shell("git", *arguments, cwd=toy).returncode == 0
    for name in ("workspace", "HEAD"):
        revision = Revision(toy, name)
        assert revision.numbers("vgg") == NUMBERS
        exported = revision.numbers("vgg", ["metrics/export_images"])
        assert exported.items() >= {"images": 1000, "channels": 22, "dead_channels": 1}.items()
        assert revision.numbers("lenet") == {}


@pytest.mark.parametrize("content", ["", "[1]", '{"vgg": 1}', '{"vgg": {}, "details": [2]}', "5"])
def test_a_damaged_file_is_named(toy: Path, content: str) -> None:
    (toy / "metrics/train").mkdir(parents=True)
    (toy / "metrics/train/vgg.json").write_text(content)
    with pytest.raises(MissingError, match=r"metrics/train/vgg\.json of the workspace .* cannot"):
        Revision(toy).numbers("vgg")
