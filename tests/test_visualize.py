"""Every convolution is found, its maps are the network's own, and pictures keep their bytes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from fashion_cnn import visualize
from fashion_cnn.models import lenet, vgg, vgg11

VGG_CONVOLUTIONS = [f"features.{index}" for index in (0, 3, 6, 8, 11, 13, 16, 18)]


def test_lenets_convolutions_are_found_with_their_weights() -> None:
    found = visualize.convolutions(lenet.build())
    assert {name: tuple(layer.weight.shape) for name, layer in found.items()} == {
        "conv1": (6, 1, 5, 5),
        "conv2": (16, 6, 5, 5),
    }


@pytest.mark.parametrize("module", [vgg, vgg11])
def test_the_vggs_eight_convolutions_are_found(module: object) -> None:
    with torch.device("meta"):
        network = module.build(image_size=32)  # type: ignore[attr-defined]
    assert list(visualize.convolutions(network)) == VGG_CONVOLUTIONS


def test_lenets_maps_are_those_of_its_forward_pass() -> None:
    network = lenet.build()
    image = torch.randn(1, 1, 28, 28)
    maps = visualize.feature_maps(network, image)
    assert {name: tuple(map_.shape[1:]) for name, map_ in maps.items()} == {
        "conv1": (6, 24, 24),
        "conv2": (16, 8, 8),
    }
    first = network.conv1(image)
    torch.testing.assert_close(maps["conv1"], first)
    pooled = nn.functional.max_pool2d(first.relu(), 2)
    torch.testing.assert_close(maps["conv2"], network.conv2(pooled))


@pytest.mark.parametrize("module", [vgg, vgg11])
def test_a_vggs_maps_are_taken_before_the_activation(module: object) -> None:
    network = module.build(image_size=32)  # type: ignore[attr-defined]
    image = torch.randn(1, 1, 32, 32)
    maps = visualize.feature_maps(network, image)
    assert list(maps) == VGG_CONVOLUTIONS
    torch.testing.assert_close(maps["features.0"], network.features[0](image))
    assert all((map_ < 0).any() for map_ in maps.values())
    torch.testing.assert_close(maps["features.18"], network.features[:19](image))


def test_drawings_say_what_they_show() -> None:
    weight = torch.randn(20, 3, 5, 5)
    title = visualize.draw_kernels("conv2", weight, 16, "diverging").axes[0].get_title()
    assert title == "conv2: weight (20, 3, 5, 5)\n16 of 20 kernels, input channel 0 of 3"
    title = visualize.draw_feature_maps("conv2", torch.randn(6, 8, 8), 64).axes[0].get_title()
    assert title == "conv2: output (6, 8, 8)\n6 maps"


def test_a_kernels_scale_is_centred_on_zero_and_shows_every_kernel() -> None:
    weight = torch.linspace(-1, 3, 5 * 4).view(5, 1, 2, 2)
    picture = visualize.draw_kernels("conv", weight, 64, "diverging").axes[0].images[0]
    assert picture.get_clim() == (-3, 3)
    drawn = picture.get_array().compressed()
    assert sorted(drawn[~torch.tensor(drawn).isnan().numpy()]) == sorted(weight.flatten().tolist())


def test_saving_replaces_the_folder_and_repeats_its_bytes(tmp_path: Path) -> None:
    weight = torch.randn(6, 1, 5, 5)
    folder = tmp_path / "filters" / "lenet"
    folder.mkdir(parents=True)
    (folder / "stale.png").touch()
    contents = []
    for _ in range(2):
        figure = visualize.draw_kernels("conv1", weight, 64, "grey")
        visualize.save({"conv1": figure}, folder, tmp_path / "runs")
        assert [path.name for path in folder.iterdir()] == ["conv1.png"]
        contents.append((folder / "conv1.png").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"\x89PNG")
