"""`check-lock` on a fresh clone without data: no fault where all belongs together, else why."""

import re
from pathlib import Path

import pytest

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.trust import lock
from tests.conftest import ROOT, Shell


def edit(path: Path, pattern: str, replacement: str) -> None:
    changed, count = re.subn(pattern, replacement, path.read_text())
    assert count > 0
    path.write_text(changed)


def test_a_fresh_clone_without_data_has_no_fault(toy: Path) -> None:
    assert not (toy / "data/model").exists()
    assert lock.faults(toy) == []


def test_the_command_says_that_all_belongs_together(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(toy)
    # The toy has no networks.
    monkeypatch.setattr(params, "load", dict)
    lock.check()
    assert capsys.readouterr().out.startswith("dvc.lock, dvc.yaml, params.yaml, code, ")


def test_other_data_in_the_workspace_changes_nothing(toy: Path) -> None:
    (toy / "data").mkdir(exist_ok=True)
    (toy / "data/images").write_text("others")
    assert lock.faults(toy) == []


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "message"),
    [
        ("train.py", "2", "3", "train.py modified: train"),
        ("params.yaml", "1", "2", "params.yaml: seed modified from 1 to 2: train"),
        ("params.yaml", "seed: 1", "other: 1", "params.yaml: seed deleted: train"),
        ("dvc.yaml", "echo images", "echo image", "cmd modified: download"),
        ("dvc.yaml", "outs: .data/model.", "outs: [data/models]", "data/models new: train"),
        ("dvc.yaml", r"\[seed\]", "[seed, other]", "params.yaml: other deleted: train"),
        ("dvc.yaml", "  train:", "  fit:", "no entry: fit"),
        ("dvc.yaml", "  train:", "  fit:", "in dvc.lock, but not a stage of dvc.yaml: train"),
        ("metrics.json", "0.9", "0.8", "metrics.json modified: train"),
    ],
)
def test_a_change_after_the_run_is_named(
    toy: Path, name: str, pattern: str, replacement: str, message: str
) -> None:
    edit(toy / name, pattern, replacement)
    assert message in lock.faults(toy)


def test_of_a_section_the_keys_that_differ_are_named(toy: Path, shell: Shell) -> None:
    edit(toy / "dvc.yaml", r"\[seed\]", "[training]")
    text = "training: {{seed: {}, rates: {{first: 0.1, last: {}}}, {}: null}}\n"
    (toy / "params.yaml").write_text(text.format(1, 0.2, "before"))
    assert shell("dvc", "repro", cwd=toy).returncode == 0
    assert lock.faults(toy) == []
    (toy / "params.yaml").write_text(text.format(2, 0.3, "after"))
    assert lock.faults(toy) == [
        "params.yaml: training.seed modified from 1 to 2: train",
        "params.yaml: training.rates.last modified from 0.2 to 0.3: train",
        "params.yaml: training.before deleted: train",
        "params.yaml: training.after new: train",
    ]


def test_a_missing_file_is_named(toy: Path) -> None:
    (toy / "metrics.json").unlink()
    assert lock.faults(toy) == ["metrics.json deleted: train"]
    (toy / "params.yaml").unlink()
    assert lock.faults(toy) == ["params.yaml deleted: train", "metrics.json deleted: train"]


def test_a_stage_that_read_another_version_is_named(toy: Path) -> None:
    text = (toy / "dvc.lock").read_text()
    md5 = re.findall("md5: ([0-9a-f]{32})", text)[0]
    (toy / "dvc.lock").write_text(text.replace(md5, "f" * 32, 1))
    assert lock.faults(toy) == ["data/images is not the version that download wrote: train"]


def test_a_lock_with_a_merge_conflict_is_an_error(toy: Path) -> None:
    edit(toy / "dvc.lock", "schema", "<<<<<<< HEAD\nschema")
    with pytest.raises(InputError, match=r"DVC cannot read the project: .*dvc\.lock"):
        lock.faults(toy)


def test_without_a_lock_no_stage_has_an_entry(toy: Path) -> None:
    (toy / "dvc.lock").unlink()
    assert lock.faults(toy) == ["no entry: download, train"]


def test_the_command_says_why_and_imports_no_torch(clone: Path, shell: Shell) -> None:
    with (clone / "src/fashion_cnn/sources/mirror.py").open("a") as source:
        source.write("# edited\n")
    done = shell(
        *("python", "-X", "importtime", "-m", "fashion_cnn", "check-lock"),
        cwd=clone / "tests",
        PYTHONPATH=str(ROOT / "src"),
    )
    assert done.returncode == 1
    assert "\nerror: dvc.lock does not belong to this checkout, " in done.stderr
    assert "\nsrc/fashion_cnn/sources modified: download\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)
