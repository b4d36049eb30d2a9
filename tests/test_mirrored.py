"""The mean over an image and its mirror image is right where one of the two is sure and right."""

import torch
from torch import Tensor, nn

from benchmarks.mirrored import accuracies
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.trained.weights import Trained


class LeftHalf(nn.Module):
    """Answers 1 where the left half is bright, else 0, surer the further it is from grey."""

    def forward(self, images: Tensor) -> Tensor:
        bright = images[..., : images.shape[-1] // 2].mean(dim=(1, 2, 3))
        return torch.stack([-bright, bright], dim=1)


def test_the_mean_of_both_counts_where_they_differ() -> None:
    # Left and right half, as grey levels; the first two are bright, the last two dark.
    halves = torch.tensor([[255, 100], [100, 255], [0, 100], [100, 140]], dtype=torch.uint8)
    pixels = halves.repeat_interleave(14, dim=1)[:, None, None].expand(-1, 1, 28, -1).contiguous()
    images = Images(pixels, torch.tensor([1, 1, 0, 0]), FASHION_MNIST.classes[:2])
    trained = Trained(LeftHalf(), Transform(28, 0.5, 0.5), {}, {})
    found = accuracies(trained, images, prepare("cpu", "float32"), 3)
    assert found == {"plain": 0.75, "mirrored": 0.5, "mean of both": 1.0}
