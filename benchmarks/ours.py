"""The package's own training loop, without the files that a stage writes."""

import time
from math import ceil

import torch
from torch import nn

from benchmarks.measure import synchronize
from fashion_cnn.base import models, params
from fashion_cnn.base.params import Dataset
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import Compute, seeded
from fashion_cnn.core.shapes import TracedLayer
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.tools import presets
from fashion_cnn.tracing import trace_network
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import TrainingState


def preset(name: str) -> params.Params:
    """Return the parameters of a preset."""
    return params.parse_params(presets.preset(name)[1], f"presets/{name}.yaml")


def train(
    model: str, recipe: Recipe, dataset: Dataset, training: Images, compute: Compute
) -> tuple[nn.Module, list[float]]:
    """Train a network from its seed.

    Args:
        model: lenet, vgg or vgg11.
        recipe: its `train_images` and `device` are ignored.
        dataset: mean and standard deviation to normalise with.
        training: the images of an epoch, on the compute device.
        compute: device and precision.

    Returns:
        The network, and the seconds of each epoch without validation. The first epoch's include
        building the network, warm-up and compilation.
    """
    seconds: list[float] = []
    started = time.perf_counter()
    with seeded(recipe.seed, "initial weights"):
        network = models.build(model, **recipe.architecture())
    network.to(compute.device).to(memory_format=torch.channels_last)
    state = TrainingState(model, network, recipe, ceil(len(training) / recipe.batch_size))

    def pause(epoch_ended: bool) -> None:
        nonlocal started
        trained = state.step == state.steps and len(seconds) == len(state.rows)
        if trained or epoch_ended:
            synchronize(compute.device)
        if trained:
            seconds.append(time.perf_counter() - started)
        if epoch_ended:
            started = time.perf_counter()

    transform = Transform(recipe.image_size, dataset.mean, dataset.standard_deviation)
    # The loop needs at least one validation image.
    Loop(state, transform, compute, pause=pause).fit(training, training[:1])
    return state.keep(), seconds


def layers(model: str, recipe: Recipe) -> tuple[TracedLayer, ...]:
    """Return the network's layers for one image."""
    with torch.device("meta"):
        network = models.build(model, **recipe.architecture())
    return trace_network(network, (1, recipe.image_size, recipe.image_size))


def flops(model: str, recipe: Recipe) -> int:
    """Return the floating-point operations of one image's forward and backward pass."""
    return 6 * sum(row.multiply_accumulates for row in layers(model, recipe))
