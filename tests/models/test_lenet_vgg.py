"""LeNet and the reduced VGG have the shapes and the sizes of the specification."""

from typing import Any

import pytest
import torch
from torch import nn

from fashion_cnn.base import models
from fashion_cnn.base.recipes import LeNet as LeNetRecipe
from fashion_cnn.core.shapes import ShapeError
from fashion_cnn.models import vgg11
from fashion_cnn.models.lenet import LeNet
from fashion_cnn.models.vgg import VGG
from fashion_cnn.tools import presets


def count(network: nn.Module) -> int:
    """Count parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def test_lenet_has_44426_parameters() -> None:
    assert count(LeNet()) == 44_426


@pytest.mark.parametrize(("divisor", "parameters"), [(8, 2_018_346), (1, 128_806_154)])
def test_vgg_has_the_parameters_of_its_width(divisor: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(VGG(image_size=224, width_divisor=divisor)) == parameters


@pytest.mark.parametrize("image_size", [16, 28, 32, 45, 64])
def test_lenet_takes_any_image_size(image_size: int) -> None:
    assert LeNet(image_size=image_size)(torch.zeros(2, 1, image_size, image_size)).shape == (2, 10)


@pytest.mark.parametrize("image_size", [32, 45, 64, 100])
@pytest.mark.parametrize("divisor", [8, 64])
def test_vgg_takes_any_image_size(image_size: int, divisor: int) -> None:
    network = VGG(image_size=image_size, width_divisor=divisor)
    assert network(torch.zeros(2, 1, image_size, image_size)).shape == (2, 10)


def test_vggs_blocks_end_at_the_tutorials_sizes() -> None:
    with torch.device("meta"):
        network = VGG(image_size=224, width_divisor=1)
        outputs, images = [], torch.empty(1, 1, 224, 224)
        for layer in network.features:
            images = layer(images)
            if isinstance(layer, nn.MaxPool2d):
                outputs.append(tuple(images.shape[1:]))
    assert outputs == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_an_image_too_small_names_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"^features\.20 \(MaxPool2d\): kernel: expected at most"):
        VGG(image_size=31)
    with pytest.raises(ShapeError, match=r"^conv2 \(Conv2d\): kernel: expected at most"):
        LeNet(image_size=9)
    small = r"^features\.20 \(MaxPool2d\): .*got \(2, 2\); its input has shape \(512, 1, 1\)"
    with torch.device("meta"), pytest.raises(ShapeError, match=small):
        vgg11.build(image_size=20)


def test_a_divisor_that_does_not_divide_is_refused() -> None:
    message = r"^features\.0 \(Conv2d\): width_divisor: expected a divisor of 64, got 3"
    with pytest.raises(ShapeError, match=message):
        VGG(width_divisor=3)


@pytest.mark.parametrize("wrong", [0, -8, 8.0, True, "8", (8, 8), None])
def test_sizes_are_positive_integers(wrong: Any) -> None:
    with pytest.raises(ShapeError, match="width_divisor: expected a positive integer, got"):
        VGG(width_divisor=wrong)
    message = "image_size: expected a positive integer, got"
    for build in (LeNet, VGG, vgg11.build):
        with torch.device("meta"), pytest.raises(ShapeError, match=message):
            build(image_size=wrong)


def test_vggs_initial_activations_neither_vanish_nor_explode() -> None:
    torch.manual_seed(0)
    network = VGG(image_size=64).eval()
    with torch.inference_mode():
        spread = network(torch.randn(16, 1, 64, 64)).std()
    assert 0.1 < spread < 10


def test_lenets_initial_weights_are_what_the_recipe_says() -> None:
    spread = {}
    for chosen in ("he", "torch"):
        torch.manual_seed(0)
        network = models.build("lenet", **LeNetRecipe(initialization=chosen).first_weights())
        spread[chosen] = network.get_parameter("fc1.weight").std().item()
    # The variance is 2 / inputs by He et al., and 1 / (3 inputs) by torch.
    assert spread["he"] == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert spread["torch"] == pytest.approx((1 / (3 * 256)) ** 0.5, rel=0.02)
    assert presets.load("notebook").lenet.initialization == "torch"
