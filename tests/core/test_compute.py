"""Devices and precisions are those asked for; seeds are pure functions."""

import os
import platform
import subprocess
import sys

import pytest
import torch
import torchvision

from fashion_cnn.base.errors import InputError
from fashion_cnn.core import compute


def test_auto_takes_cuda_then_mps_then_the_cpu() -> None:
    if torch.cuda.is_available():
        expected = "cuda"
    else:
        expected = "mps" if torch.backends.mps.is_available() else "cpu"
    assert compute.prepare("auto", "auto").device.type == expected


@pytest.mark.parametrize("device", ["cuda", "cuda:99", "mps"])
def test_a_device_that_the_machine_lacks_is_refused(device: str) -> None:
    if device != "cuda:99" and compute.resolve("auto", "auto").device.type == device:
        pytest.skip(f"this machine has {device}")
    with pytest.raises(InputError, match=f"device: expected one of this machine.s, got '{device}'"):
        compute.prepare(device, "auto")


@pytest.mark.parametrize("capability", ["avx512_bf16", "amx_bf16", "bf16", "avx2"])
def test_auto_is_bfloat16_where_the_processor_has_it(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True, "amx": False})
    expected = "float32" if capability == "avx2" else "bfloat16"
    assert compute.resolve("cpu", "auto").precision == expected


def test_prepare_gives_cublas_the_fixed_workspace_that_determinism_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    compute.prepare("cpu", "float32")
    # One of the two values that torch.use_deterministic_algorithms documents.
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")
    # What the user has set stays.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    compute.prepare("cpu", "float32")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_prepare_asks_for_deterministic_algorithms_without_importing_the_compiler() -> None:
    """torch.use_deterministic_algorithms imports it, which takes as long as torch itself."""
    code = (
        "import sys, torch; from fashion_cnn.core.compute import prepare; prepare('cpu', 'auto');"
        "print(torch.get_deterministic_debug_mode(), 'torch._inductor.config' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["2", "False"]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [([(8, 0)], "bfloat16"), ([(7, 5)], "float16"), ([(9, 0), (7, 0)], "float16")],
)
def test_auto_is_float16_where_any_gpu_lacks_bfloat16(
    capabilities: list[tuple[int, int]], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A T4 has 7.5, a V100 7.0; which GPU will be free is not known yet."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capabilities[index])
    found = compute.resolve("cuda", "auto")
    assert found.precision == precision
    assert found.image_dtype == getattr(torch, precision)
    assert compute.resolve("cuda:0", "float32").precision == "float32"


def test_autocast_computes_in_the_precision_asked_for() -> None:
    matrix = torch.ones(2, 2)
    for precision in ("bfloat16", "float32"):
        prepared = compute.prepare("cpu", precision)
        with prepared.autocast():
            assert (matrix @ matrix).dtype == getattr(torch, precision)
        assert prepared.describe()["precision"] == precision


def test_a_seed_depends_on_each_part_and_on_nothing_else() -> None:
    seeds = [compute.derive_seed(*parts) for parts in ((0,), (1,), (0, 1), ("0/1", 0), (0, "a"))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert compute.derive_seed(0, "order", 1) == compute.derive_seed(0, "order", 1)


def test_what_results_depend_on_is_named() -> None:
    described = compute.resolve("cpu", "float32").describe()
    assert described.pop("device") == f"cpu with {torch.backends.cpu.get_cpu_capability()}"
    assert described == {
        "precision": "float32",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__.partition("+")[0],
        "threads": torch.get_num_threads(),
    }


def test_seeded_restores_the_generator() -> None:
    state = torch.get_rng_state()
    with compute.seeded(5):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), state)
    with compute.seeded(5):
        assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_probe_measures_a_plausible_speed(precision: str) -> None:
    state = torch.get_rng_state()
    assert 1e8 < compute.probe(compute.resolve("cpu", precision), seconds=0.05) < 1e15
    assert torch.equal(torch.get_rng_state(), state)
