"""A made project of two commits, run by DVC, and its reports."""

import shutil
from pathlib import Path

import pytest

from fashion_cnn.tools.report.writing import write
from tests.conftest import Shell

HERE = Path(__file__).parent
PARAMS = """\
lenet: {{skill: {skill}, epochs: 3, budget: {{parameters: null}}}}
vgg: {{skill: 2.5, epochs: 4}}
vgg11: {{skill: 2.6, epochs: 1}}
dataset: {{validation_images: 5000}}
evaluate: {{test_images: null}}
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> Path:
    """A repository of the made pipeline: LeNet is better at HEAD than at the tag `worse`."""
    folder = tmp_path_factory.mktemp("report") / "project"
    folder.mkdir()
    shutil.copy(HERE / "made_stage.py", folder)
    shutil.copy(HERE / "made_dvc.yaml", folder / "dvc.yaml")
    for command in (("git", "init", "-q"), ("dvc", "init", "-q")):
        assert shell(*command, cwd=folder).returncode == 0
    for skill, tag in ((1.5, "worse"), (3.0, "better")):
        (folder / "params.yaml").write_text(PARAMS.format(skill=skill))
        done = shell("dvc", "repro", "-q", cwd=folder)
        assert done.returncode == 0, done.stderr
        for arguments in (["add", "-A"], ["commit", "-qm", f"Make LeNet {tag}"], ["tag", tag]):
            assert shell("git", *arguments, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def copied(project: Path, tmp_path: Path) -> Path:
    """The made project, for one test to spoil."""
    return shutil.copytree(project, tmp_path / "project", symlinks=True)


@pytest.fixture(scope="session")
def report(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report of the made project's workspace against the tag `worse`."""
    folder = tmp_path_factory.mktemp("written")
    write(project, "workspace", "worse", folder)
    return folder
