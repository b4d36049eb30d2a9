"""Findings are the network's own predictions and maps for the images asked for."""

import json
from pathlib import Path

import pytest
import torch

from fashion_cnn.base import params
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models import lenet
from fashion_cnn.visualize import inspection
from fashion_cnn.visualize.extraction import convolutions
from fashion_cnn.visualize.inspection import Findings

ROOT = Path(__file__).resolve().parents[2]
TRANSFORM = Transform(28, 0.5, 0.5)


@pytest.fixture
def images() -> Images:
    """Thirty images of noise, labelled from 9 down to 0 in turn."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (30, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Images(pixels, 9 - torch.arange(30) % 10)


def look(network: torch.nn.Module, given: Images, **changes: object) -> Findings:
    before = {name: layer.weight.detach() + 1 for name, layer in convolutions(network).items()}
    settings = params.load(ROOT / "params.yaml").export_images.model_copy(update=changes)
    compute = prepare("cpu", "float32")
    return inspection.inspect(network, TRANSFORM, before, given, settings, compute)


def test_examples_are_the_images_asked_for_with_the_networks_predictions(images: Images) -> None:
    network = lenet.build()
    findings = look(network, images, images=[17, 4], dead_channel_images=20)
    with torch.no_grad():
        probability, answer = network(TRANSFORM(images.pixels[[17, 4]])).softmax(dim=1).max(dim=1)
    assert [(e.index, e.label, e.predicted) for e in findings.examples] == [
        (17, "Pullover", images.classes[answer[0]]),
        (4, "Sandal", images.classes[answer[1]]),
    ]
    assert [e.probability for e in findings.examples] == pytest.approx(probability.tolist())
    assert torch.equal(findings.examples[1].pixels, images.pixels[4])
    assert findings.heat.shape == (2, 8, 8)
    assert findings.explained.name == "relu2"
    torch.testing.assert_close(findings.kernels["conv2"][0] - 1, network.conv2.weight.detach())
    torch.testing.assert_close(findings.kernels["conv2"][1], network.conv2.weight.detach())
    assert findings.dead_images == 20


def test_one_per_class_is_the_first_of_each(images: Images) -> None:
    findings = look(lenet.build(), images, images="one_per_class")
    assert [e.label for e in findings.examples] == list(images.classes)
    assert [e.index for e in findings.examples] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("kinds", "layers"),
    [
        (["convolution", "pool"], {"conv1": ["conv1", "pool1"], "conv2": ["conv2", "pool2"]}),
        (["activation"], {"conv1": ["relu1"], "conv2": ["relu2"]}),
    ],
)
def test_maps_are_those_of_the_layers_asked_for(
    images: Images, kinds: list[str], layers: dict[str, list[str]]
) -> None:
    findings = look(lenet.build(), images, maps_after=kinds)
    shown = {name: [layer.name for layer, _ in maps] for name, maps in findings.maps.items()}
    assert shown == layers
    assert all(maps.shape[1:] == layer.shape for m in findings.maps.values() for layer, maps in m)


def test_dead_channels_are_counted_by_layer(images: Images) -> None:
    network = lenet.build()
    with torch.no_grad():
        network.conv2.bias[[3, 7]] = -1e4
        network.conv2.bias[0] = 1e4
    metrics = look(network, images).metrics("lenet")
    assert metrics["details"] == [{"images": 30, "channels": 22}]
    layers = metrics["layers"]
    assert [(each["layer"], each["channels"]) for each in layers] == [("conv1", 6), ("conv2", 16)]
    assert 2 <= layers[1]["dead_channels"] < 16
    assert metrics["lenet"]["dead_channels"] == sum(each["dead_channels"] for each in layers)
    assert json.loads(json.dumps(metrics)) == metrics
