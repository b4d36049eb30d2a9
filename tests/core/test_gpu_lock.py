"""Stages share GPUs, one slot each; the tests need no GPU."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.core import gpu_lock
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.core.gpu_lock import gpu_slot, own_gpu, slots_folder, stages_per_gpu
from fashion_cnn.dataset.images import Images
from fashion_cnn.evaluation import timed_pass
from fashion_cnn.tools import command_line
from fashion_cnn.tools.prediction import predicting
from fashion_cnn.tools.trust import drift
from fashion_cnn.trained import weights
from tests.conftest import ROOT
from tests.made_weights import save_lenet

HOLD = """
import sys
from pathlib import Path
from fashion_cnn.core.gpu_lock import gpu_slot
with gpu_slot(["a", "b"], Path(sys.argv[1])) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds a slot until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "src"},
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_processes_take_different_gpus_and_a_third_waits_for_one_to_end(tmp_path: Path) -> None:
    with holder(tmp_path) as first, holder(tmp_path) as second:
        assert sorted([line(first), line(second)]) == ["0", "1"]
        with holder(tmp_path) as third:
            assert line(third).startswith("all 2 GPUs are in use by other stages: waiting")
            # A killed process frees its slot too.
            second.kill()
            freed = line(third)
            assert freed in ("0", "1")
            assert first.stdin
            first.stdin.close()
            first.wait()
            with gpu_slot(["a", "b"], tmp_path) as index:
                assert str(index) != freed


def test_shared_gpus_are_filled_evenly(tmp_path: Path) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(gpu_slot(["a", "b"], tmp_path, 2)) for _ in range(4)]
        assert taken == [0, 1, 0, 1]
        ended = threading.Event()

        def fifth() -> None:
            with gpu_slot(["a", "b"], tmp_path, 2):
                ended.set()

        thread = threading.Thread(target=fifth)
        thread.start()
        assert not ended.wait(0.2)
    thread.join(10)
    assert ended.is_set()


def test_stages_per_gpu_is_a_whole_number_of_at_least_1() -> None:
    assert stages_per_gpu({}) == 1
    assert stages_per_gpu({"STAGES_PER_GPU": "3"}) == 3
    for wrong in ("0", "-1", "two", ""):
        with pytest.raises(InputError, match="STAGES_PER_GPU: expected a whole number of at"):
            stages_per_gpu({"STAGES_PER_GPU": wrong})


def test_every_copy_of_the_repository_uses_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = slots_folder()
    monkeypatch.chdir(tmp_path)
    assert slots_folder() == before


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torch report two GPUs, and give the test its own folder of locks."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"gpu-{index}")
    )
    monkeypatch.setattr(gpu_lock, "slots_folder", lambda: tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("STAGES_PER_GPU", raising=False)


def held_by(device: str) -> torch.device:
    with own_gpu(Compute(torch.device(device), torch.float32)) as held:
        return held.device


@pytest.mark.usefixtures("two_gpus")
def test_a_named_gpu_is_that_one_and_an_unnamed_one_the_first_free() -> None:
    assert held_by("cuda") == torch.device("cuda:0")
    assert held_by("cuda:1") == torch.device("cuda:1")
    with own_gpu(Compute(torch.device("cuda"), torch.float32)) as first:
        assert first.device == torch.device("cuda:0")
        assert held_by("cuda") == torch.device("cuda:1")
    with own_gpu(Compute(torch.device("cuda:1"), torch.float32)):
        assert held_by("cuda") == torch.device("cuda:0")


@pytest.mark.usefixtures("two_gpus")
def test_the_cpu_and_torchruns_processes_take_no_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert held_by("cpu") == torch.device("cpu")
    monkeypatch.setenv("RANK", "0")
    assert held_by("cuda") == torch.device("cuda")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("caller", ["evaluate", "predict", "drift and report"])
def test_whoever_predicts_holds_a_slot(
    caller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[Compute] = []

    @contextmanager
    def noted(compute: Compute) -> Iterator[Compute]:
        holders.append(compute)
        yield compute
        holders.clear()

    def predicted(network: nn.Module, images: Images, *_: object) -> torch.Tensor:
        assert holders
        return network(torch.zeros(len(images), 1, 28, 28)).detach()

    for module in (timed_pass, drift, gpu_lock):
        monkeypatch.setattr(module, "own_gpu", noted)
    for module in (timed_pass, drift, predicting):
        monkeypatch.setattr(module, "predict", predicted)
    path, cpu = tmp_path / "data/models/lenet.safetensors", prepare("cpu", "float32")
    save_lenet(path)
    pixels = torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, torch.zeros(3, dtype=torch.int64))
    if caller == "evaluate":
        timed_pass.run(weights.load(path, "lenet"), images, cpu, 3)
    elif caller == "predict":
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, tmp_path)
        Image.fromarray(pixels[0, 0].numpy()).save(tmp_path / "picture.png")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["fashion_cnn", "predict", "lenet", "picture.png"])
        command_line.main()
    else:
        drift.confidence(weights.load(path, "lenet"), images, images, cpu, 3)
    assert not holders
