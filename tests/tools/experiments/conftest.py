"""What the tests of sweeps and seeds share."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell

SWEEP = "trials: {}\nlenet:\n  learning_rate: {{low: 0.002, high: 0.008, log: true}}\n"


@pytest.fixture
def project(tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with what sweeps and seeds read."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for folder in ("config", "src", "stages"):
        (tmp_path / folder).mkdir()
    for folder in ("src", "stages"):
        (tmp_path / folder / "code.py").write_text("")
    (tmp_path / "config" / "sweep.yaml").write_text(SWEEP.format(3))
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".gitignore").write_text("runs/\n")
    for command in ("init -q", "add .", "commit -qm project"):
        assert shell("git", *command.split(), cwd=tmp_path).returncode == 0
    monkeypatch.chdir(tmp_path)
    return tmp_path
