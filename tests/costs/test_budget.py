"""A budget that is exceeded is reported with the key, both numbers, the layer and a remedy."""

import pytest

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Budget
from fashion_cnn.costs import budget
from fashion_cnn.costs.footprint import Footprint, footprint
from tests.conftest import ROOT


def planned(model: str) -> Footprint:
    """The footprint of a model at the default params."""
    return footprint(model, params.load(ROOT / "params.yaml"))


def exceeded(**budgets: Budget) -> list[str]:
    """One line for each budget of these that its model exceeds."""
    with pytest.raises(InputError) as error:
        budget.check([planned(model) for model in budgets], budgets)
    head, *lines = str(error.value).splitlines()
    assert head == f"{len(lines)} budget(s) exceeded:"
    return lines


def test_without_a_budget_every_model_passes() -> None:
    budget.check([planned("lenet"), planned("vgg")], {"lenet": Budget(), "vgg": Budget()})


def test_an_estimate_may_reach_its_budget_but_not_exceed_it() -> None:
    budget.check([planned("lenet")], {"lenet": Budget(parameters=44_426)})
    assert exceeded(lenet=Budget(parameters=44_425)) == [
        "lenet: budget.parameters: expected at most 44425, estimated 44426; fc1 (Linear) takes "
        "most, 30840: lower lenet.image_size or raise the budget",
    ]


def test_memory_and_arithmetic_have_budgets_of_their_own() -> None:
    lenet = planned("lenet")
    memory, petaflops = lenet.memory.total / 1e9, lenet.flops / 1e15
    budget.check([lenet], {"lenet": Budget(memory_gigabytes=memory, petaflops=petaflops)})
    tight = Budget(memory_gigabytes=0.999 * memory, petaflops=0.999 * petaflops)
    memory_line, arithmetic_line = exceeded(lenet=tight)
    assert memory_line.startswith("lenet: budget.memory_gigabytes: expected at most 0.00")
    assert "conv1 (Conv2d)" in memory_line or "relu1 (ReLU)" in memory_line
    assert memory_line.endswith(
        "lower lenet.batch_size or lower lenet.image_size or raise the budget"
    )
    assert "; conv2 (Conv2d) takes most, " in arithmetic_line
    assert "lower lenet.epochs or lower lenet.train_images or lower" in arithmetic_line


def test_every_network_that_exceeds_its_budget_is_reported() -> None:
    vgg, vgg11 = exceeded(vgg=Budget(parameters=1000), vgg11=Budget(parameters=1000))
    assert "classifier.3 (Linear) takes most, 262656:" in vgg
    assert vgg.endswith("lower vgg.image_size or raise vgg.width_divisor or raise the budget")
    assert vgg11.endswith("classifier.0 (TiledLinear) takes most, 102764544: raise the budget")
