"""Results with their spread and what they were measured on, as a table and as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

import torch

from fashion_cnn.base.files import write_json, write_text
from fashion_cnn.core.compute import Compute, probe


@dataclass(frozen=True)
class Result:
    """One quantity of a network, measured several times."""

    network: str
    quantity: str
    values: Sequence[float]
    goal: str = ""

    def summary(self) -> dict[str, Any]:
        """Return n, median, lowest and highest value, to four digits."""
        numbers = {"median": median(self.values), "low": min(self.values), "high": max(self.values)}
        return {
            "network": self.network,
            "quantity": self.quantity,
            "n": len(self.values),
            **{name: float(f"{value:.4g}") for name, value in numbers.items()},
            "goal": self.goal,
        }


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table with one row per result."""
    rows = [result.summary() for result in results]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_text(v) for v in r.values()] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write(
    results: Sequence[Result],
    compute: Compute,
    path: Path,
    versions: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the table to `path`.md, and the results with their origin to `path`.json.

    Args:
        results: what was measured.
        compute: device and precision.
        path: of both files, without a suffix.
        versions: of packages that `made_with` does not name.
    """
    write_text(Path(f"{path}.md"), table(results))
    summaries = [result.summary() for result in results]
    origin = made_with(compute) | dict(versions)
    write_json(Path(f"{path}.json"), {"made_with": origin, "results": summaries})


def made_with(compute: Compute) -> dict[str, Any]:
    """Return what the numbers depend on: device, processor, threads and versions."""
    described = compute.describe()
    # Each result names its own precision.
    del described["precision"]
    cuda = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {
        **described,
        **(cuda if compute.device.type == "cuda" else {}),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }


def peak(device: torch.device, probes: int = 3) -> float:
    """Return the highest FLOP/s of several bfloat16 matrix products: noise only lowers them."""
    return max(probe(Compute(device, torch.bfloat16)) for _ in range(probes))


def synchronize(device: torch.device) -> None:
    """Wait for all work queued on `device`."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    """Return the processor's name as far as the system knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
