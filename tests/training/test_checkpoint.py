"""Checkpoints come back whole or not at all, cost little, and belong to a single run."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import seeded
from fashion_cnn.dataset.images import Images
from fashion_cnn.models import lenet
from fashion_cnn.trained import tensor_files
from fashion_cnn.training import checkpoint
from fashion_cnn.training.checkpoint import Checkpoints, fingerprint, identity

STATE = {
    "step": 7,
    "rate": 0.1 + 0.2,
    "rows": [{"epoch": 1}],
    "none": None,
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "betas": [0.9, 0.999]},
    "weights": torch.randn(2, 3, 5, 5).to(memory_format=torch.channels_last),
    "nothing": torch.zeros(0),
}


def same(one: object, other: object) -> bool:
    """Return whether two nested states are equal."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        assert isinstance(other, dict)
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "run") as checkpoints:
        assert checkpoints.newest() is None
        checkpoints.write(STATE, 7)
        assert same(checkpoints.newest(), STATE)
        checkpoints.remove()
    assert not (tmp_path / "run").exists()


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        for step in (5, 40, 300):
            checkpoints.write(STATE | {"step": step}, step)
        kept = sorted(path.name for path in tmp_path.glob("*.safetensors"))
        assert kept == ["000000000040.safetensors", "000000000300.safetensors"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_the_one_before_a_damaged_one_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.write(STATE, 1)
        checkpoints.write(STATE | {"step": 8}, 2)
        path = tmp_path / "000000000002.safetensors"
        content = bytearray(path.read_bytes())
        content[-30] ^= 1
        damaged = {
            "truncated": content[:-1],
            "flipped": content,
            "empty": b"",
            "foreign": b"\x02\0\0\0\0\0\0\0{}",
        }
        path.write_bytes(bytes(damaged[damage]))
        assert same(checkpoints.newest(), STATE)
        assert "checkpoint 000000000002.safetensors is damaged" in capsys.readouterr().out
        (tmp_path / "000000000001.safetensors").write_bytes(b"")
        assert checkpoints.newest() is None


def test_a_failed_write_leaves_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: object, file: Path, metadata: object) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.write(STATE, 1)
        monkeypatch.setattr(tensor_files, "save_file", full)
        with pytest.raises(OSError, match="no space"):
            checkpoints.write(STATE, 2)
        assert same(checkpoints.newest(), STATE)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".000000000009.safetensors.1.tmp").write_bytes(b"half")
    with Checkpoints(tmp_path) as checkpoints:
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        assert checkpoints.newest() is None


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        Checkpoints(tmp_path),
        pytest.raises(InputError, match=f"process {os.getpid()} is already training this same"),
    ):
        Checkpoints(tmp_path).__enter__()
    with Checkpoints(tmp_path):
        pass


def test_they_take_less_than_2_percent_and_never_lose_5_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    for cost in (0.001, 0.05, 1.0, 4.0, 60.0):
        checkpoints = Checkpoints(tmp_path)
        checkpoints.expect(int(cost * checkpoint.BYTES_PER_SECOND))
        begun = checkpoints.written
        for ended in (False, True):
            now = begun
            while not checkpoints.due(epoch_ended=ended):
                now += 0.01
            waited = now - begun
            assert waited < 300
            assert cost / waited <= 0.0201 or waited > 265


def test_a_fingerprint_covers_params_network_data_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    other = Images(images.pixels, images.labels + 1)
    with seeded(0):
        network = lenet.build()
    with seeded(1):
        another = lenet.build()

    def key(epochs: int, network: nn.Module, images: Images) -> str:
        return fingerprint(identity({"epochs": epochs}, network, [images]))

    first = key(1, network, images)
    assert first == key(1, network, images)
    changed = [key(2, network, images), key(1, another, images), key(1, network, other)]
    import fashion_cnn.training.loop  # noqa: F401

    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path) + b"\n" * (path.name == "loop.py")
    )
    changed.append(key(1, network, images))
    assert len({first, *changed}) == 5


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    parts = {"model": "lenet", "lenet.epochs": "20", "the code of loop.py": "a", "torch": "2.14"}
    with Checkpoints(tmp_path / "one", parts) as one:
        one.write(STATE, 7)
        with Checkpoints(tmp_path / "same", parts | {"model": "vgg"}) as other:
            assert not [*other.refused()]
        changed = parts | {"the code of loop.py": "b", "lenet.epochs": "5"}
        with Checkpoints(tmp_path / "two", changed) as two:
            assert [*two.refused()] == ["one: other now: lenet.epochs, the code of loop.py"]
        del changed["torch"]
        with Checkpoints(tmp_path / "three", changed | {"seed": "1"}) as three:
            (reason,) = three.refused()
            assert reason.endswith("lenet.epochs, seed, the code of loop.py and 1 more")
