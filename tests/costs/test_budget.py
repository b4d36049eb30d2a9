"""What is over its budget is told with the key, both numbers, the layer, and a way out."""

import pytest

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.costs import budget
from fashion_cnn.costs.footprint import Footprint, footprint
from tests.conftest import ROOT


def planned(model: str, **limits: float | None) -> Footprint:
    """The footprint of a model at the default params, with these budgets."""
    values = params.load(ROOT / "params.yaml")
    return footprint(model, params.replace(values, model, budget=limits))


def test_no_budget_lets_everything_pass() -> None:
    budget.check([planned("lenet"), planned("vgg", parameters=None)])


def test_an_estimate_may_reach_its_budget_but_not_pass_it() -> None:
    budget.check([planned("lenet", parameters=44_426)])
    with pytest.raises(InputError) as error:
        budget.check([planned("lenet", parameters=44_425)])
    assert str(error.value).splitlines() == [
        "1 budget(s) exceeded:",
        "lenet.budget.parameters: expected at most 44425, estimated 44426; fc1 (Linear) takes "
        "most, 30840: lower lenet.image_size or raise the budget",
    ]


def test_memory_and_arithmetic_have_budgets_of_their_own() -> None:
    lenet = planned("lenet")
    within = {
        "memory_gigabytes": lenet.memory.total / 1e9,
        "petaflops": lenet.flops / 1e15,
    }
    budget.check([planned("lenet", **within)])
    with pytest.raises(InputError) as error:
        budget.check([planned("lenet", **{key: 0.999 * value for key, value in within.items()})])
    _, memory, arithmetic = str(error.value).splitlines()
    assert memory.startswith("lenet.budget.memory_gigabytes: expected at most 0.00")
    assert "conv1 (Conv2d)" in memory or "relu1 (ReLU)" in memory
    assert memory.endswith("lower lenet.batch_size or lower lenet.image_size or raise the budget")
    assert "; conv2 (Conv2d) takes most, " in arithmetic
    assert "lower lenet.epochs or lower lenet.train_images or lower" in arithmetic


def test_every_network_over_its_budget_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        budget.check([planned("vgg", parameters=1000), planned("vgg11", parameters=1000)])
    _, vgg, vgg11 = str(error.value).splitlines()
    assert "classifier.3 (Linear) takes most, 262656:" in vgg
    assert vgg.endswith("lower vgg.image_size or raise vgg.width_divisor or raise the budget")
    assert vgg11.endswith("classifier.0 (TiledLinear) takes most, 102764544: raise the budget")
