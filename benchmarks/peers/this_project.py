"""This project: the loop that its stages run, with what a user sets in params.yaml."""

from math import ceil
from pathlib import Path

import torch

from benchmarks import ours
from benchmarks.peers.watch import Task, Watch
from fashion_cnn.base import models, params
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset.images import Transform, read
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import TrainingState

# What a user writes: these keys of params.yaml.
RECIPE = {
    "optimizer": "adam",
    "schedule": "constant",
    "warmup_fraction": 0.0,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
}


def train(task: Task, root: str, watch: Watch) -> None:
    """Train as a stage does, without validation images and files."""
    changes = RECIPE | {"epochs": task.epochs, "batch_size": task.batch_size}
    if task.model == "vgg":
        changes["image_size"] = task.image_size
    recipe = getattr(params.replace(ours.preset("cpu"), task.model, **changes), task.model)
    compute = prepare("cpu", "bfloat16" if task.bfloat16 else "float32")
    training = read(Path(root, "FashionMNIST", "raw"), "train")[: task.images]
    with seeded(recipe.seed, "initial weights"):
        network = models.build(task.model, **recipe.architecture())
    network.to(memory_format=torch.channels_last)
    state = TrainingState(task.model, network, recipe, ceil(len(training) / recipe.batch_size))

    def pause(epoch_ended: bool) -> None:
        if epoch_ended:
            watch.epoch_begins()
        elif len(watch.epoch_seconds) == len(state.rows):
            watch.step()
            if state.step == state.steps:
                watch.epoch_ends(lambda images: torch.argmax(network.eval()(images), dim=1))

    watch.epoch_begins()
    # The loop needs at least one validation image.
    transform = Transform(recipe.image_size, 0.5, 0.5)
    Loop(state, transform, compute, pause=pause).fit(training, training[:1])
