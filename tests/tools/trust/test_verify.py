"""`verify`: a run made again must give the same bytes, or the same numbers on another device."""

from pathlib import Path
from typing import Any

import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_json
from fashion_cnn.tools.trust.verify import Finding, Run, compare, read, verify
from tests.conftest import Shell

CPU = {"device": "cpu", "precision": "float32", "threads": 2, "torch": "2.14.1"}
GPU = CPU | {"device": "NVIDIA H200"}


def made(weights: str = "w", device: dict[str, Any] = CPU, **metrics: Any) -> Run:
    """LeNet trained and evaluated; the hash of a metrics file is its content."""
    train = {"epoch": 20, "train_loss": 0.2, "made_with": device}
    evaluated = {"accuracy": 0.9, "loss": 0.3, "parameters": 44_426, "p_value": 0.1} | metrics
    return Run(
        {
            ("download", "data/fashion_mnist"): "d",
            ("train_lenet", "data/models/lenet.safetensors"): weights,
            ("train_lenet", "metrics/train/lenet.json"): str(train),
            ("evaluate@lenet", "metrics/evaluate/lenet.json"): str(evaluated),
        },
        {"metrics/train/lenet.json": train, "metrics/evaluate/lenet.json": evaluated},
    )


def faults(before: Run, after: Run) -> list[Finding]:
    findings = list(compare(before, after))
    assert [(each.stage, each.file) for each in findings] == list(before.hashes)
    return [finding for finding in findings if finding.fault]


def test_the_same_bytes_are_the_same() -> None:
    assert faults(made(), made()) == []
    assert {finding.found for finding in compare(made(), made())} == {"same bytes"}


def test_on_the_same_kind_of_device_other_bytes_are_a_fault() -> None:
    (fault,) = faults(made(), made("v"))
    assert (fault.file, fault.found) == (
        "data/models/lenet.safetensors",
        "OTHER BYTES on the same kind of device",
    )
    (fault,) = faults(made(), made(accuracy=0.9001))
    assert fault.file == "metrics/evaluate/lenet.json"


def test_on_another_kind_numbers_may_differ_within_their_tolerance() -> None:
    after = made("v", GPU, accuracy=0.885, loss=0.39, p_value=0.9)
    assert faults(made(), after) == []
    found = {finding.file: finding.found for finding in compare(made(), after)}
    assert found["data/fashion_mnist"] == "same bytes"
    reason = "device cpu -> NVIDIA H200"
    assert found["data/models/lenet.safetensors"] == f"other bytes, {reason}"
    assert found["metrics/evaluate/lenet.json"] == f"within tolerance, {reason}"


@pytest.mark.parametrize(
    "metrics",
    [
        {"accuracy": 0.879},
        {"accuracy": 0.921},
        {"accuracy": float("nan")},
        {"loss": 0.401},
        {"parameters": 44_427},
    ],
)
def test_on_another_kind_numbers_beyond_their_tolerance_are_a_fault(
    metrics: dict[str, Any],
) -> None:
    (fault,) = faults(made(), made("v", GPU, **metrics))
    (name,) = metrics
    assert f"BEYOND TOLERANCE: {name} " in fault.found


def test_a_metric_or_a_file_that_is_not_made_again_is_a_fault() -> None:
    after = made("v", GPU)
    gone = Run(after.hashes, {**after.numbers, "metrics/evaluate/lenet.json": {"loss": 0.39}})
    gone = Run(
        {**gone.hashes, ("evaluate@lenet", "metrics/evaluate/lenet.json"): "x"}, gone.numbers
    )
    assert "accuracy 0.9 -> None" in faults(made(), gone)[0].found
    assert len(faults(made(), Run({}, made().numbers))) == len(made().hashes)


def test_where_the_commit_does_not_say_what_made_it_numbers_are_compared() -> None:
    before = made()
    del before.numbers["metrics/train/lenet.json"]["made_with"]  # type: ignore[attr-defined]
    found = {finding.file: finding.found for finding in compare(before, made("v", accuracy=0.91))}
    assert found["metrics/evaluate/lenet.json"].startswith("within tolerance, device None -> cpu;")
    assert len(faults(before, made("v", accuracy=0.95))) == 1


def test_other_data_is_a_fault_wherever_it_was_made() -> None:
    after = made("v", GPU)
    other = Run({**after.hashes, ("download", "data/fashion_mnist"): "e"}, after.numbers)
    assert [fault.file for fault in faults(made(), other)] == ["data/fashion_mnist"]


def test_numbers_are_read_from_every_metrics_file_of_the_lock(toy: Path) -> None:
    files = {
        "metrics/train/vgg.json": {"vgg": {"epoch": 3}, "details": [{"made_with": CPU}]},
        "plots/reliability/vgg.json": {"vgg": {"expected_calibration_error": 0.02}, "bins": []},
        "metrics/compare_models.json": {"all_wrong": 3, "details": [{"images": 9}], "pairs": []},
    }
    outs = [{"path": path, "md5": path[-9:]} for path in (*files, "plots/kernels/vgg")]
    write_json(toy / "dvc.lock", {"stages": {"train_vgg": {"outs": outs}}})
    for path, values in files.items():
        write_json(toy / path, values)
    run = read(toy)
    assert run.hashes == {("train_vgg", out["path"]): out["md5"] for out in outs}
    assert run.numbers["metrics/train/vgg.json"] == {"epoch": 3, "made_with": CPU}
    assert run.numbers["plots/reliability/vgg.json"] == {"expected_calibration_error": 0.02}
    assert set(run.numbers) == set(files)


def test_a_committed_run_is_made_again_from_nothing(
    reproduced_toy: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (reproduced_toy / "left.txt").write_text("of no commit")
    monkeypatch.chdir(reproduced_toy)
    verify(None)
    printed = capfd.readouterr().out
    assert "Running stage 'download'" in printed
    assert "Running stage 'train'" in printed
    assert "all 3 files are what the commit says" in printed


def test_a_run_that_differs_by_chance_is_caught(
    toy: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with (toy / "train.py").open("a") as script:
        script.write("import os\npathlib.Path('data/model').write_bytes(os.urandom(9))\n")
    monkeypatch.chdir(toy)
    shell("git", "commit", "-qam", "code alone", cwd=toy)
    with pytest.raises(InputError, match=r"lock does not belong to it:\ntrain\.py modified: train"):
        verify(None)
    assert shell("dvc", "repro", cwd=toy).returncode == 0
    shell("git", "commit", "-qam", "a run of it", cwd=toy)
    with pytest.raises(InputError, match="1 of 3 files are not what the commit says"):
        verify(None)
    assert "| train    | data/model   | OTHER BYTES" in capfd.readouterr().out
