"""What several processes tell one another, as the only one of its group gets it."""

from collections.abc import Iterator

import pytest
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

from fashion_cnn.training.distributed import Processes, Votes


@pytest.fixture
def first_of_two() -> Iterator[Processes]:
    """The main process, which believes that there is another; Gloo exchanges with itself."""
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield Processes(rank=0, count=2)
    dist.destroy_process_group()


def test_the_main_processs_value_comes_through(first_of_two: Processes) -> None:
    assert first_of_two.from_main({"step": 3, "name": "lenet"}) == {"step": 3, "name": "lenet"}


def test_votes_are_those_of_the_call_before(first_of_two: Processes) -> None:
    votes = Votes(first_of_two)
    assert votes.highest(3, 5) == [0, 0]
    assert votes.highest(1, 2) == [3, 5]
    assert votes.highest(0, 0) == [1, 2]
    assert Votes(Processes()).highest(3, 5) == [3, 5]
