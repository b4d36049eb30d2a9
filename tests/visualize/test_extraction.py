"""Every convolution is found, its maps are the network's own, Grad-CAM is the paper's formula."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models import lenet, vgg, vgg11
from fashion_cnn.visualize import extraction

VGG_CONVOLUTIONS = [f"features.{index}" for index in (0, 3, 6, 8, 11, 13, 16, 18)]


def test_lenets_convolutions_are_found_with_their_weights() -> None:
    found = extraction.convolutions(lenet.build())
    assert {name: tuple(layer.weight.shape) for name, layer in found.items()} == {
        "conv1": (6, 1, 5, 5),
        "conv2": (16, 6, 5, 5),
    }


@pytest.mark.parametrize("module", [vgg, vgg11])
def test_the_vggs_eight_convolutions_are_found(module: object) -> None:
    with torch.device("meta"):
        network = module.build(image_size=32)  # type: ignore[attr-defined]
    assert list(extraction.convolutions(network)) == VGG_CONVOLUTIONS


def test_lenets_blocks_are_its_convolutions_with_activation_and_pool() -> None:
    found = extraction.blocks(lenet.build(), 28)
    assert {
        name: [(layer.name, layer.kind, layer.shape) for layer in block]
        for name, block in found.items()
    } == {
        "conv1": [
            ("conv1", "convolution", (6, 24, 24)),
            ("relu1", "activation", (6, 24, 24)),
            ("pool1", "pool", (6, 12, 12)),
        ],
        "conv2": [
            ("conv2", "convolution", (16, 8, 8)),
            ("relu2", "activation", (16, 8, 8)),
            ("pool2", "pool", (16, 4, 4)),
        ],
    }
    assert found["conv2"][0].receptive_field == (14, 14)


@pytest.mark.parametrize("module", [vgg, vgg11])
def test_a_vggs_blocks_end_before_its_classifier(module: object) -> None:
    with torch.device("meta"):
        network = module.build(image_size=32)  # type: ignore[attr-defined]
    found = extraction.blocks(network, 32)
    assert list(found) == VGG_CONVOLUTIONS
    assert [layer.name for block in found.values() for layer in block] == [
        f"features.{index}" for index in range(21)
    ]


def test_a_convolution_is_found_at_any_depth() -> None:
    inner = nn.Sequential(OrderedDict(deep=nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())))
    network = nn.Sequential(OrderedDict(outer=inner, flatten=nn.Flatten()))
    found = extraction.blocks(network, 8)
    assert list(extraction.convolutions(network)) == list(found) == ["outer.deep.0"]
    assert [layer.name for layer in found["outer.deep.0"]] == ["outer.deep.0", "outer.deep.1"]


def test_lenets_maps_are_those_of_its_forward_pass() -> None:
    network = lenet.build()
    image = torch.randn(1, 1, 28, 28)
    maps = extraction.feature_maps(network, image, ["conv1", "relu1", "pool1", "conv2"])
    first = network.conv1(image)
    pooled = nn.functional.max_pool2d(first.relu(), 2)
    torch.testing.assert_close(
        maps,
        {
            "conv1": first,
            "relu1": first.relu(),
            "pool1": pooled,
            "conv2": network.conv2(pooled),
        },
    )


@pytest.mark.parametrize("module", [vgg, vgg11])
def test_a_vggs_maps_are_taken_before_the_activation(module: object) -> None:
    network = module.build(image_size=32)  # type: ignore[attr-defined]
    image = torch.randn(1, 1, 32, 32)
    maps = extraction.feature_maps(network, image, VGG_CONVOLUTIONS)
    torch.testing.assert_close(maps["features.0"], network.features[0](image))
    assert all((map_ < 0).any() for map_ in maps.values())
    torch.testing.assert_close(maps["features.18"], network.features[:19](image))


def test_a_channel_is_dead_if_it_is_zero_for_every_image() -> None:
    convolution = nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        convolution.weight.fill_(1)
        # Channel 0 is positive on black, 1 only on white, 2 never.
        convolution.bias.copy_(torch.tensor([2.0, -0.5, -2.0]))
    network = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2))
    pixels = torch.zeros(120, 1, 28, 28, dtype=torch.uint8)
    transform = Transform(28, 0.0, 1.0)
    found = extraction.blocks(network, 28)

    def dead() -> list[bool]:
        images = Images(pixels, torch.zeros(len(pixels), dtype=torch.int64))
        compute = prepare("cpu", "float32")
        return extraction.dead_channels(network, images, transform, compute, found)["0"].tolist()

    assert dead() == [False, True, True]
    pixels[60, 0, 3, 5] = 255
    assert dead() == [False, False, True]


def test_the_strongest_channel_is_that_of_the_largest_norm() -> None:
    weight = torch.zeros(2, 3, 2, 2)
    weight[0, 1] = -0.5  # norm 1
    weight[0, 2, 0, 0] = 0.9
    weight[1, 2, 1, 1] = 0.1
    assert extraction.strongest_channels(weight).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("after", "moved", "cosine"),
    [([3.0, 4.0], 0.0, 1.0), ([-3.0, -4.0], 2.0, -1.0), ([-4.0, 3.0], 2**0.5, 0.0)],
)
def test_change_is_a_share_of_the_norm_and_an_angle(
    after: list[float], moved: float, cosine: float
) -> None:
    assert extraction.change(torch.tensor([3.0, 4.0]), torch.tensor(after)) == pytest.approx(
        (moved, cosine), abs=1e-6
    )


@pytest.mark.parametrize(("min_size", "layer"), [(4, "relu2"), (9, "relu1"), (99, "relu1")])
def test_grad_cam_reads_the_deepest_maps_that_are_large_enough(min_size: int, layer: str) -> None:
    assert extraction.explained_layer(extraction.blocks(lenet.build(), 28), min_size).name == layer


def by_autograd(network: nn.Module, image: Tensor, target: int) -> Tensor:
    """Return Selvaraju et al. (2017), eq. 1 and 2, for LeNet's relu2 and one image: (8, 8)."""
    layers = list(network.children())
    maps = nn.Sequential(*layers[:5])(image)
    logits = nn.Sequential(*layers[5:])(maps)
    (gradient,) = torch.autograd.grad(logits[0, target], maps)
    importance = gradient[0].mean(dim=(1, 2))
    return torch.einsum("k,kij->ij", importance, maps[0].detach()).relu()


def test_grad_cam_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    network = lenet.build().eval()
    images, targets = torch.randn(3, 1, 28, 28), torch.tensor([1, 5, 9])
    heat = extraction.grad_cam(network, network.get_submodule("relu2"), images, targets)
    expected = [
        by_autograd(network, image[None], int(target))
        for image, target in zip(images, targets, strict=True)
    ]
    torch.testing.assert_close(heat, torch.stack([each / each.max() for each in expected]))


def test_grad_cam_is_zero_where_nothing_speaks_for_the_class() -> None:
    network = lenet.build().eval()
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    heat = extraction.grad_cam(
        network, network.get_submodule("relu2"), torch.randn(1, 1, 28, 28), torch.tensor([0])
    )
    assert heat.tolist() == torch.zeros(1, 8, 8).tolist()
