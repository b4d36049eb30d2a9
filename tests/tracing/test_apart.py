"""A network that mixes images by their values alone is noticed, and no other is refused."""

import pytest
import torch
from torch import Tensor, nn

from fashion_cnn.base import models, params
from fashion_cnn.core.shapes import ShapeError
from fashion_cnn.costs.footprint import footprint
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.tracing import check_apart
from tests.conftest import ROOT


class Centred(nn.Module):
    """Subtracts a mean over the given dims."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims or None

    def forward(self, features: Tensor) -> Tensor:
        return features - features.mean(self.dims, keepdim=True)


class Scaled(nn.Module):
    """Divides by the batch's standard deviation between two layers, not in one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2 * 26 * 26, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv(images)
        return self.fc((features / features.std(0)).flatten(1))


class Noise(nn.Module):
    """Draws numbers at inference too."""

    def forward(self, features: Tensor) -> Tensor:
        return features + torch.rand_like(features)


def classifier(*before: nn.Module) -> nn.Sequential:
    return nn.Sequential(*before, nn.Flatten(), nn.Linear(784, 10))


@pytest.mark.parametrize(
    ("network", "place"),
    [
        (classifier(Centred()), r"0 \(Centred\): its output"),
        (classifier(nn.ReLU(), Centred(0)), r"1 \(Centred\): its output"),
        (Scaled(), r"fc \(Linear\): its input"),
        (nn.Sequential(classifier(), nn.Softmax(0)), r"1 \(Softmax\): its output"),
        (
            classifier(nn.BatchNorm2d(1, track_running_stats=False)),
            r"0 \(BatchNorm2d\): its output",
        ),
    ],
)
def test_a_mean_over_the_batch_is_noticed_where_it_is(network: nn.Module, place: str) -> None:
    with pytest.raises(ShapeError, match=f"^{place} for an image depends on the other images"):
        check_apart(network, (1, 28, 28))


@pytest.mark.parametrize(
    "network",
    [
        classifier(Centred(1, 2, 3)),
        classifier(nn.BatchNorm2d(1), nn.Dropout(0.9)),
        classifier(nn.LayerNorm(28), nn.Softmax(1)),
        classifier(nn.GroupNorm(1, 1)),
        classifier(Noise()),
        # Its first dimension is not the images': (28, N, 28).
        nn.Sequential(nn.Flatten(1, 2), nn.LSTM(28, 10, batch_first=True)),
    ],
)
def test_what_a_network_does_to_each_image_by_itself_passes(network: nn.Module) -> None:
    generator = torch.get_rng_state()
    check_apart(network, (1, 28, 28))
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_recipe_whose_network_mixes_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = footprint("lenet", params.load(ROOT / "params.yaml"))
    traced.check_apart(FASHION_MNIST)
    monkeypatch.setattr(models, "build", lambda model, **_: classifier(Centred()))
    with pytest.raises(ShapeError, match=r"^lenet, image_size 28: 0 \(Centred\): its output"):
        traced.check_apart(FASHION_MNIST)


def test_a_network_that_fails_on_real_images_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = footprint("lenet", params.load(ROOT / "params.yaml"))
    monkeypatch.setattr(models, "build", lambda model, **_: classifier().double())
    with pytest.raises(ShapeError, match=r"^lenet, image_size 28: it fails on .*: RuntimeError: "):
        traced.check_apart(FASHION_MNIST)
