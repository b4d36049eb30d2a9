"""Training on several processes that torchrun starts, or on one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import Compute


@dataclass(frozen=True)
class Processes:
    """This process's rank among those that train one network together."""

    rank: int = 0
    count: int = 1

    @property
    def main(self) -> bool:
        """Whether this is the process that reads checkpoints and writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Return this process's part of the whole batch (N, ...), in order; it may be empty."""
        return batch.tensor_split(self.count)[self.rank]

    def gather(self, value: Tensor) -> Tensor:
        """Return every process's `value` (...), by rank: (count, ...)."""
        if self.count == 1:
            return value.unsqueeze(0)
        values = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(values, value.contiguous())
        return torch.stack(values)

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of `value` over the processes."""
        return self.gather(value).sum(dim=0) if self.count > 1 else value

    def own(self, values: Tensor) -> Tensor:
        """Return this process's part of what `gather` returned, maybe to another number of them."""
        if len(values) == self.count:
            return values[self.rank]
        return values.sum(dim=0) if self.main else torch.zeros_like(values[0])

    def from_main(self, value: Any) -> Any:
        """Return the main process's `value`."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a module, wrapped to average its gradients over several processes."""
        return network if self.count == 1 else DistributedDataParallel(network)


ALONE = Processes()


class Votes:
    """The highest of what the processes say, step by step, without waiting for one another."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self._asked: tuple[Tensor, dist.Work] | None = None

    def highest(self, *values: int) -> list[int]:
        """Return the highest of all processes' values: of one process, these.

        Of several, what they asked for at the call before, which they have meanwhile exchanged.
        """
        if self.processes.count == 1:
            return [*values]
        before, asked = self._asked, torch.tensor(values)
        work = dist.all_reduce(asked, dist.ReduceOp.MAX, async_op=True)
        self._asked = asked, work
        if before is None:
            return [0] * len(values)
        before[1].wait()
        return [int(value) for value in before[0]]


@contextmanager
def joined(compute: Compute) -> Iterator[tuple[Compute, Processes]]:
    """Join the processes that torchrun started, if any; yield this one's device and rank.

    The processes of a host use one CUDA device each. Gradients are exchanged by NCCL between CUDA
    devices and by Gloo between CPUs.

    Raises:
        InputError: a host has fewer CUDA devices than processes, or another process is lost.
    """
    if "RANK" not in os.environ:
        yield compute, ALONE
        return
    backend = "gloo"
    if compute.device.type == "cuda":
        local, available = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= available:
            raise InputError(
                f"expected at most {available} process(es), one per CUDA device, got one with "
                f"local rank {local}: lower --nproc-per-node"
            )
        compute = replace(compute, device=torch.device("cuda", local))
        torch.cuda.set_device(compute.device)
        backend = "cpu:gloo,cuda:nccl"
    elif compute.device.type != "cpu":
        raise InputError(f"{compute.device.type} trains on a single process: unset LAUNCHER")
    try:
        store, rank, count = next(rendezvous("env://"))
        # torchrun keeps its store after a restart: the prefix hides what earlier processes wrote.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        dist.init_process_group(
            backend,
            store=dist.PrefixStore(f"attempt {attempt}", store),  # type: ignore[attr-defined]
            rank=rank,
            world_size=count,
            timeout=timedelta(minutes=10),
        )
        yield compute, Processes(rank, count)
    except RuntimeError as error:
        if not any(name in str(error).lower() for name in ("gloo", "nccl", "connect")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"lost another process ({reason}): start all of them again") from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
