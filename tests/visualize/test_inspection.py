"""What is found in a network is the network's own answer to the images that were asked for."""

import json
from pathlib import Path

import pytest
import torch

from fashion_cnn.base import params
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models import lenet
from fashion_cnn.visualize import inspection
from fashion_cnn.visualize.extraction import convolutions
from fashion_cnn.visualize.inspection import Findings

ROOT = Path(__file__).resolve().parents[2]
TRANSFORM = Transform(28, 0.5, 0.5)


@pytest.fixture
def images() -> Images:
    """Thirty images of noise, the classes from 9 down to 0 in turns."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (30, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Images(pixels, 9 - torch.arange(30) % 10)


def look(network: torch.nn.Module, given: Images, **changes: object) -> Findings:
    before = {name: layer.weight.detach() + 1 for name, layer in convolutions(network).items()}
    chosen = params.load(ROOT / "params.yaml").export_images.model_copy(update=changes)
    return inspection.inspect(network, TRANSFORM, before, given, chosen)


def test_examples_are_the_images_asked_for_with_the_networks_answers(images: Images) -> None:
    network = lenet.build()
    found = look(network, images, images=[17, 4], dead_channel_images=20)
    with torch.no_grad():
        probability, answer = network(TRANSFORM(images.pixels[[17, 4]])).softmax(dim=1).max(dim=1)
    assert [(e.index, e.label, e.predicted) for e in found.examples] == [
        (17, 2, int(answer[0])),
        (4, 5, int(answer[1])),
    ]
    assert [e.probability for e in found.examples] == pytest.approx(probability.tolist())
    assert torch.equal(found.examples[1].pixels, images.pixels[4])
    assert found.heat.shape == (2, 8, 8)
    assert found.explained.name == "relu2"
    torch.testing.assert_close(found.kernels["conv2"][0] - 1, network.conv2.weight.detach())
    torch.testing.assert_close(found.kernels["conv2"][1], network.conv2.weight.detach())
    assert found.dead_images == 20


def test_one_per_class_is_the_first_of_each(images: Images) -> None:
    found = look(lenet.build(), images, images="one_per_class")
    assert [e.label for e in found.examples] == list(range(10))
    assert [e.index for e in found.examples] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("kinds", "layers"),
    [
        (["convolution", "pool"], {"conv1": ["conv1", "pool1"], "conv2": ["conv2", "pool2"]}),
        (["activation"], {"conv1": ["relu1"], "conv2": ["relu2"]}),
    ],
)
def test_maps_are_of_the_layers_chosen(
    images: Images, kinds: list[str], layers: dict[str, list[str]]
) -> None:
    found = look(lenet.build(), images, maps_after=kinds)
    shown = {name: [layer.name for layer, _ in maps] for name, maps in found.maps.items()}
    assert shown == layers
    assert all(maps.shape[1:] == layer.shape for m in found.maps.values() for layer, maps in m)


def test_dead_channels_are_counted_by_layer(images: Images) -> None:
    network = lenet.build()
    with torch.no_grad():
        network.conv2.bias[[3, 7]] = -1e4
        network.conv2.bias[0] = 1e4
    metrics = look(network, images).metrics()
    assert metrics["images"] == 30
    assert metrics["channels"] == 22
    layers = metrics["layers"]
    assert [(each["layer"], each["channels"]) for each in layers] == [("conv1", 6), ("conv2", 16)]
    assert 2 <= layers[1]["dead_channels"] < 16
    assert metrics["dead_channels"] == sum(each["dead_channels"] for each in layers)
    assert json.loads(json.dumps(metrics)) == metrics
