"""Where and how numbers are computed: device, precision, seeds, first weights."""

import ctypes
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import torch
from torch import nn

from fashion_cnn.base.errors import InputError


@dataclass(frozen=True)
class Compute:
    """A device and the data type for matrix products and convolutions."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        """Use `dtype` for the operations that torch considers safe; weights stay float32."""
        lower = self.dtype != torch.float32
        # Each weight is used once per pass, and a CUDA graph cannot use what was kept outside it.
        return torch.autocast(
            self.device.type,
            dtype=self.dtype if lower else None,
            enabled=lower,
            cache_enabled=False,
        )

    @property
    def image_dtype(self) -> torch.dtype:
        """What images are resized in: on CUDA, the type of the convolution that they go into."""
        return self.dtype if self.device.type == "cuda" else torch.float32

    @property
    def precision(self) -> Literal["bfloat16", "float16", "float32"]:
        """The name of `dtype`, as in params.yaml."""
        names: dict[torch.dtype, Literal["bfloat16", "float16", "float32"]] = {
            torch.bfloat16: "bfloat16",
            torch.float16: "float16",
        }
        return names.get(self.dtype, "float32")

    def identity(self) -> dict[str, str]:
        """Return what a result's bytes depend on besides code, params, data and threads."""
        cuda = {"tf32": "off"} if self.device.type == "cuda" else {}
        return {
            "device": self._name(),
            "precision": self.precision,
            **cuda,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": _torchvision(),
        }

    def describe(self) -> dict[str, str | int]:
        """Return `identity` and the number of threads, which decides the order of sums."""
        return {**self.identity(), "threads": torch.get_num_threads()}

    def _name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        if self.device.type == "cpu":
            return f"cpu with {torch.backends.cpu.get_cpu_capability()}"
        return self.device.type


def prepare(device: str, precision: str, *, deterministic: bool = True) -> Compute:
    """Resolve `auto` and set torch up to give the same bytes on every run.

    See `resolve` for arguments and errors. Without `deterministic`, CUDA may use any algorithm.
    """
    compute = resolve(device, precision)
    on_cpu = compute.device.type == "cpu"
    # cuBLAS is deterministic only with a fixed workspace, set before its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # torch.use_deterministic_algorithms does the same, but imports the compiler: 2 seconds.
    mode = "error" if on_cpu else "warn" if deterministic else "default"
    torch.set_deterministic_debug_mode(mode)
    torch.backends.cudnn.benchmark = not deterministic
    # float32 is IEEE single precision everywhere; torch's default is TF32 in convolutions alone.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if on_cpu:
        _keep_freed_memory()
    # Filling new memory costs 7% of a step, and nothing here reads memory before writing it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return compute


def resolve(device: str, precision: str) -> Compute:
    """Resolve `auto` without changing any of torch's settings.

    Args:
        device: auto, cpu, mps, cuda or cuda:N; auto is CUDA, else MPS, else the CPU.
        precision: auto, bfloat16, float16 or float32; auto is bfloat16 where the device has it
            natively; else float16 on CUDA, whose older cards have that, and float32 elsewhere.

    Raises:
        InputError: this machine does not have the device.
    """
    resolved = _device(device)
    if precision == "auto":
        other = "float16" if resolved.type == "cuda" else "float32"
        precision = "bfloat16" if _native_bfloat16(resolved) else other
    return Compute(resolved, getattr(torch, precision))


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that is a pure function of `parts`, such as (seed, epoch, step)."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def he_normal(network: nn.Module) -> None:
    """Draw all convolutions' and linear layers' weights by He et al. (2015), eq. 10; biases are 0.

    The variance of 2 / inputs keeps the values' size from layer to layer, where ReLUs follow.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def probe(compute: Compute, seconds: float = 0.5) -> float:
    """Measure how many floating-point operations per second matrix products reach."""
    size = 1024 if compute.device.type == "cpu" else 4096
    # Products of equal numbers would take less power, and a GPU would run faster than in training.
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(size, size, generator=generator).to(compute.device, compute.dtype)
    product, products, started, elapsed = torch.empty_like(matrix), 0, 0.0, 0.0
    # The first product is not counted: it also loads the library. Then each run doubles the last.
    batch = 1
    while elapsed < seconds:
        for _ in range(batch):
            torch.mm(matrix, matrix, out=product)
        # Reading a value waits until the device is done.
        product[0, 0].item()
        if started:
            products += batch
            elapsed = time.perf_counter() - started
            batch = max(1, min(products, int(products * (seconds / elapsed - 1))))
        else:
            started = time.perf_counter()
    return 2 * size**3 * products / elapsed


def reseed(device: torch.device, *parts: int | str) -> None:
    """Seed the generator that `device` draws from, for dropout and the like."""
    # torch.manual_seed would keep a stack trace for each kind of device that is not in use.
    seed = derive_seed(*parts)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(*parts))
        yield


def _torchvision() -> str:
    try:
        return version("torchvision")
    except PackageNotFoundError:
        # The benchmarks of the networks that do not need it run without.
        return "none"


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensor instead of returning it each step.

    Asking the system for it again takes up to a third of a step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        maximum_mappings, trim_threshold = -4, -1  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
        library.mallopt(maximum_mappings, 0)
        library.mallopt(trim_threshold, -1)


def _device(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, present in available.items() if present), "cpu")
    # Compared as text: torch.device fails for a number that no machine has.
    kind, _, number = name.partition(":")
    numbers = ["", *map(str, range(torch.cuda.device_count()))]
    if not available.get(kind, True) or number not in numbers:
        raise InputError(f"device: expected one of this machine's, got {name!r}: try auto or cpu")
    return torch.device(name)


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        # Any of them may be the one that is free.
        indices = [device.index] if device.index is not None else range(torch.cuda.device_count())
        return all(torch.cuda.get_device_capability(index) >= (8, 0) for index in indices)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
