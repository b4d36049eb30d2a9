"""Whether a training fits: control groups and the shell's limits, and the batch that would fit."""

import resource
from pathlib import Path

import psutil
import pytest
import torch

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError, MemoryShortError
from fashion_cnn.core.compute import Compute
from fashion_cnn.costs.footprint import Footprint, footprint
from fashion_cnn.training import machine
from fashion_cnn.training.machine import Limit, control_groups, training_fits
from fashion_cnn.training.memory import reserved_memory, training_memory
from tests.conftest import ROOT

CPU = Compute(torch.device("cpu"), torch.float32)
UNLIMITED = 2**63 - 4096  # what version 1 has for no limit


@pytest.fixture(scope="module")
def vgg() -> Footprint:
    """The reduced VGG at the default params."""
    return footprint("vgg", params.load(ROOT / "params.yaml"))


def write(groups: Path, limits: dict[str, int | str]) -> None:
    """Write a tree of control groups."""
    for name, value in limits.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("lines", "limits", "found"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": 7, "memory.max": 9}, [7, 9]),
        # A container that does not see its own path, but has its group at the top.
        ("0::/../elsewhere\n", {"memory.max": 5}, [5]),
        (
            "9:name=systemd:/x\n4:memory:/docker/abc\n0::/\n",
            {
                "memory/docker/abc/memory.limit_in_bytes": 3,
                "memory/memory.limit_in_bytes": UNLIMITED,
            },
            [3, UNLIMITED],
        ),
        ("4:cpu,memory:/gone\n", {"memory/memory.limit_in_bytes": 4}, [4]),
        ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": 4}, []),
    ],
    ids=["version 2", "container", "version 1", "container of version 1", "no memory"],
)
def test_limits_of_control_groups(
    lines: str, limits: dict[str, int | str], found: list[int], tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text(lines)
    write(tmp_path / "groups", limits)
    assert [*control_groups(tmp_path / "cgroup", tmp_path / "groups")] == found


def test_a_system_without_control_groups(tmp_path: Path) -> None:
    assert not [*control_groups(tmp_path / "missing", tmp_path)]


def test_the_lowest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    held = psutil.Process().memory_info()
    unlimited = dict.fromkeys(range(20), (resource.RLIM_INFINITY,) * 2)
    limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (unlimited | limits)[kind])
    monkeypatch.setattr(machine, "control_groups", lambda: [])
    whole = machine.limit(torch.device("cpu"))
    assert whole.source == "this machine's memory"
    total = psutil.virtual_memory().total
    assert 0.8 * total - held.rss < whole.num_bytes < total
    monkeypatch.setattr(machine, "control_groups", lambda: [held.rss + 10**9, 2**62])
    assert machine.limit(torch.device("cpu")).source == "the control group's limit"
    limits[resource.RLIMIT_AS] = (held.vms + 10**8, -1)
    found = machine.limit(torch.device("cpu"))
    assert found.source == "`ulimit -v`"
    assert found.num_bytes == pytest.approx(10**8, abs=5e7)
    limits[resource.RLIMIT_DATA] = (held.data, -1)
    assert machine.limit(torch.device("cpu")).source == "`ulimit -d`"


@pytest.mark.parametrize("batch_size", [1, 17, 127])
def test_the_message_has_the_largest_batch_that_fits(
    batch_size: int, vgg: Footprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = vgg.recipe.model_copy(update={"batch_size": batch_size})
    just = training_memory(vgg.rows, fits, "float32").total
    monkeypatch.setattr(machine, "limit", lambda device: Limit(just, "a limit"))
    with training_fits("vgg", vgg.rows, fits, CPU):
        pass
    message = rf"a limit leaves .*: lower vgg.batch_size to {batch_size} or lower vgg.image_size or"
    with pytest.raises(InputError, match=message), training_fits("vgg", vgg.rows, vgg.recipe, CPU):
        pass
    # Two processes have the memory for twice the batch.
    with training_fits("vgg", vgg.rows, fits.model_copy(update={"batch_size": 2}), CPU, 2):
        pass


def test_where_no_batch_fits(vgg: Footprint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "limit", lambda device: Limit(-5, "a limit"))
    with (
        pytest.raises(InputError, match=r"leaves 0.00 GB: lower vgg.image_size or raise vgg.width"),
        training_fits("vgg", vgg.rows, vgg.recipe, CPU),
    ):
        pass


def test_a_training_that_takes_more_than_estimated(vgg: Footprint) -> None:
    with (
        pytest.raises(MemoryShortError, match=r"lower vgg.batch_size to 64 or"),
        training_fits("vgg", vgg.rows, vgg.recipe, CPU),
    ):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")
    with pytest.raises(KeyError), training_fits("vgg", vgg.rows, vgg.recipe, CPU):
        raise KeyError


def test_on_a_gpu_the_batch_has_room_for_what_torch_holds(
    vgg: Footprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its allocator holds more than is used, so that half of the batch need not fit either."""
    gpu = Compute(torch.device("cuda"), torch.bfloat16)
    used = training_memory(vgg.rows, vgg.recipe, "bfloat16").total
    monkeypatch.setattr(machine, "limit", lambda device: Limit(100_000_000 + used, "the GPU"))
    with (
        pytest.raises(
            MemoryShortError, match=r"the GPU left .*: lower vgg.batch_size to \d+ or"
        ) as error,
        training_fits("vgg", vgg.rows, vgg.recipe, gpu),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 MiB")
    found = int(str(error.value).split("batch_size to ")[1].split()[0])
    assert found < vgg.recipe.batch_size // 2
    fits = vgg.recipe.model_copy(update={"batch_size": found})
    assert reserved_memory(vgg.rows, fits, "bfloat16") <= 100_000_000 + used


def test_a_batch_of_absurd_size_is_refused() -> None:
    values = params.load(ROOT / "params.yaml")
    for key in ("batch_size", "epochs", "image_size"):
        with pytest.raises(InputError, match=rf"lenet.{key}: expected a number less than"):
            params.replace(values, "lenet", **{key: 10**18})
