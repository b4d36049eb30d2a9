"""Stages share GPUs by a slot each; no GPU is needed to see it."""

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from fashion_cnn.errors import InputError
from fashion_cnn.slots import gpu_slot, slots_folder, stages_per_gpu

HOLD = """
import sys
from pathlib import Path
from fashion_cnn.slots import gpu_slot
with gpu_slot(["a", "b"], Path(sys.argv[1])) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a slot until its input ends."""
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
            assert line(third).startswith("all 2 GPUs are taken by other stages: waiting")
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


def test_sharing_is_asked_for_by_a_whole_number() -> None:
    assert stages_per_gpu({}) == 1
    assert stages_per_gpu({"STAGES_PER_GPU": "3"}) == 3
    for wrong in ("0", "-1", "two", ""):
        with pytest.raises(InputError, match="STAGES_PER_GPU: expected a whole number from 1"):
            stages_per_gpu({"STAGES_PER_GPU": wrong})


def test_every_copy_of_the_repository_uses_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = slots_folder()
    monkeypatch.chdir(tmp_path)
    assert slots_folder() == before
