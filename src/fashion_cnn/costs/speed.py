"""How long a training takes on this machine, from its speed at matrix products."""

from collections.abc import Iterator, Sequence

from fashion_cnn.core.compute import probe, resolve
from fashion_cnn.core.gpu_lock import own_gpu
from fashion_cnn.costs.footprint import Footprint

PROBE_SECONDS = 0.5
"""For all devices and precisions together."""


def estimates(footprints: Sequence[Footprint]) -> Iterator[str]:
    """Yield one line per network: the memory and the hours that its training takes here.

    Raises:
        InputError: a network's device is not on this machine.
    """
    computes = [resolve(each.recipe.device, each.recipe.precision) for each in footprints]
    speeds = {}
    for compute in dict.fromkeys(computes):
        with own_gpu(compute) as held:
            speeds[compute] = probe(held, PROBE_SECONDS / len(set(computes)))
    for each, compute in zip(footprints, computes, strict=True):
        yield each.on(compute, speeds[compute])
