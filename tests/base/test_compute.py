"""Devices and precisions are chosen as asked; seeds are pure functions."""

import pytest
import torch

from fashion_cnn.base import compute
from fashion_cnn.base.errors import InputError


def test_auto_takes_cuda_then_mps_then_the_cpu() -> None:
    if torch.cuda.is_available():
        expected = "cuda"
    else:
        expected = "mps" if torch.backends.mps.is_available() else "cpu"
    assert compute.prepare("auto", "auto").device.type == expected


@pytest.mark.parametrize("device", ["cuda", "cuda:99", "mps"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    if device != "cuda:99" and compute.prepare("auto", "auto").device.type == device:
        pytest.skip(f"{device} is here")
    with pytest.raises(InputError, match=f"device: expected one of this machine, got '{device}'"):
        compute.prepare(device, "auto")


def test_autocast_computes_in_the_precision_asked_for() -> None:
    matrix = torch.ones(2, 2)
    for precision in ("bfloat16", "float32"):
        chosen = compute.prepare("cpu", precision)
        with chosen.autocast():
            assert (matrix @ matrix).dtype == getattr(torch, precision)
        assert chosen.describe()["precision"] == precision


def test_a_seed_depends_on_each_part_and_on_nothing_else() -> None:
    seeds = [compute.derive_seed(*parts) for parts in ((0,), (1,), (0, 1), ("0/1", 0), (0, "a"))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert compute.derive_seed(0, "order", 1) == compute.derive_seed(0, "order", 1)


def test_seeded_gives_the_generator_back_as_it_was() -> None:
    state = torch.get_rng_state()
    with compute.seeded(5):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), state)
    with compute.seeded(5):
        assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_probe_counts_products_a_second(precision: str) -> None:
    assert 1e8 < compute.probe(compute.resolve("cpu", precision), seconds=0.05) < 1e15
