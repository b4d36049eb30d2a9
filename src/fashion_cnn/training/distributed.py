"""One training on several processes: started by torchrun, or alone."""

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

from fashion_cnn.base.compute import Compute
from fashion_cnn.base.errors import InputError


@dataclass(frozen=True)
class Processes:
    """This process among those that train one network together."""

    rank: int = 0
    count: int = 1

    @property
    def main(self) -> bool:
        """Whether this is the one process that reads checkpoints and writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Return this process's part of a global batch (N, ...), in order; it may be empty."""
        return batch.tensor_split(self.count)[self.rank]

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of every process's `value`."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def highest(self, value: int) -> int:
        """Return the highest of every process's `value`, agreed on by all."""
        if self.count == 1:
            return value
        agreed = torch.tensor(value)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return int(agreed)

    def from_main(self, value: Any) -> Any:
        """Return the main process's `value` in every process."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network as trained here: its gradients are averaged over the processes."""
        return network if self.count == 1 else DistributedDataParallel(network)


ALONE = Processes()


@contextmanager
def joined(compute: Compute) -> Iterator[tuple[Compute, Processes]]:
    """Join the processes that torchrun started, or be alone; yield this one's device and place.

    Processes of one host take one CUDA device each. Gradients travel by NCCL between CUDA
    devices and by Gloo between CPUs.

    Raises:
        InputError: there are fewer CUDA devices than processes, or another process is lost.
    """
    if "RANK" not in os.environ:
        yield compute, ALONE
        return
    backend = "gloo"
    if compute.device.type == "cuda":
        local, available = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= available:
            raise InputError(
                f"expected at most {available} process(es), one a CUDA device, got process "
                f"{local}: lower --nproc-per-node"
            )
        compute = replace(compute, device=torch.device("cuda", local))
        torch.cuda.set_device(compute.device)
        backend = "cpu:gloo,cuda:nccl"
    elif compute.device.type != "cpu":
        raise InputError(f"one process is all that {compute.device.type} takes: unset LAUNCHER")
    try:
        store, rank, count = next(rendezvous("env://"))
        # torchrun keeps one store: what the processes before a restart wrote would mislead these.
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
        raise InputError(f"another process of this training is lost ({reason})") from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
