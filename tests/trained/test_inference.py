"""Logits come in the order of the images, whatever the batch size; the network keeps its mode."""

import pytest
import torch

from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models.vgg import VGG
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained


@pytest.mark.parametrize("training", [True, False])
def test_predictions_do_not_depend_on_the_batch_size_or_the_mode(training: bool) -> None:
    network = VGG(image_size=32, width_divisor=16).train(training)
    images = Images(torch.randint(0, 256, (10, 1, 28, 28), dtype=torch.uint8), torch.arange(10))
    transform, compute = Transform(32, 0.5, 0.5), prepare("cpu", "float32")
    whole = predict(network, images, transform, compute, batch_size=10)
    parts = predict(network, images, transform, compute, batch_size=3)
    assert network.training is training
    torch.testing.assert_close(parts, whole)
    with torch.inference_mode():
        expected = network.eval()(transform(images.pixels))
    torch.testing.assert_close(whole, expected)


def test_a_gpu_predicts_at_most_what_takes_the_memory_of_a_training() -> None:
    """A prediction keeps two layers' outputs: twice the training's batch fits."""
    network = VGG(image_size=32, width_divisor=16)
    trained = Trained(network, Transform(32, 0.5, 0.5), {"batch_size": 64}, {})
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [trained.batch_size(asked, cuda) for asked in (500, 128, 50)] == [128, 128, 50]
    assert trained.batch_size(500, cpu) == 500
    untold = Trained(network, Transform(32, 0.5, 0.5), {}, {})
    assert untold.batch_size(500, cuda) == 500
