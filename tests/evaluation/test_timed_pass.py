"""The pass returns the network's own logits and its last layer's inputs."""

import pytest
import torch

from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.evaluation import timed_pass
from fashion_cnn.models import lenet, vgg
from fashion_cnn.trained.weights import Trained


@pytest.mark.parametrize("model", ["lenet", "vgg"])
def test_the_last_layer_makes_the_logits_of_the_features(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_pass, "KEPT", 4)
    network = lenet.build() if model == "lenet" else vgg.build(image_size=32)
    last = network.fc3 if model == "lenet" else network.classifier[6]
    trained = Trained(network.eval(), Transform(28 if model == "lenet" else 32, 0.5, 0.5), {}, {})
    pixels = torch.randint(0, 256, (10, 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, torch.arange(10))
    passed = timed_pass.run(trained, images, prepare("cpu", "float32"), batch_size=3)
    with torch.inference_mode():
        expected = network(trained.transform(pixels))
        torch.testing.assert_close(passed.logits, expected)
        assert passed.features.shape == (4, last.in_features)
        torch.testing.assert_close(last(passed.features), expected[:4])
    assert not last._forward_pre_hooks
    assert passed.speed.keys() == {"images_per_second", "milliseconds_per_image"}
    assert all(value > 0 for value in passed.speed.values())
