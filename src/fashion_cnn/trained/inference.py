"""A network's logits for many images."""

import torch
from torch import Tensor, nn

from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images, Transform, batches


@torch.inference_mode()
def predict(
    network: nn.Module, images: Images, transform: Transform, compute: Compute, batch_size: int
) -> Tensor:
    """Return the logits (N, classes) float32 of N images, in order, on the compute device.

    Args:
        network: on the compute device; it runs in evaluation mode and then returns to its own.
        images: on any device.
        transform: what images go through before the network.
        compute: where, and in what type.
        batch_size: images at a time.
    """
    training = network.training
    network.eval()
    logits = []
    for batch in batches(images, batch_size):
        # Autocast would resize in float32.
        inputs = transform(batch.pixels.to(compute.device), compute.image_dtype)
        with compute.autocast():
            logits.append(network(inputs).float())
    network.train(training)
    return torch.cat(logits)
