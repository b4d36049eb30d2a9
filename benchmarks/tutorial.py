"""The tutorial's own way of training: torchvision's data set, transforms per image, float32."""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from fashion_cnn.base import models
from fashion_cnn.core.compute import seeded

WORKERS = 2
P = ParamSpec("P")
R = TypeVar("R")


def in_own_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in a new process, without the package's own settings for speed."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def images_per_second(
    model: str,
    folder: Path,
    architecture: Mapping[str, Any],
    batch_size: int,
    warm_up: int,
    steps: int,
    device: str = "cpu",
) -> float:
    """Time `steps` training steps of a network, with loading, after `warm_up` others."""
    with seeded(0, "tutorial"):
        network = models.build(model, **architecture).to(device)
        optimizer = make_optimizer(model, network)
        # There are more batches than steps, so the workers load until the last step. They end with
        # the iterator, before anything else is measured.
        batches = iter(loader(folder, architecture["image_size"], batch_size))
        train(network, optimizer, islice(batches, warm_up))
        started = time.perf_counter()
        # Each step ends with reading its loss back.
        train(network, optimizer, islice(batches, steps))
        return steps * batch_size / (time.perf_counter() - started)


def make_optimizer(model: str, network: nn.Module) -> optim.Optimizer:
    """Return the tutorial's optimiser for a network."""
    if model == "lenet":
        return optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    return optim.Adam(network.parameters(), lr=0.001)


def lenet_epoch(folder: Path, images: int) -> tuple[float, float]:
    """Train LeNet for one epoch; return the seconds, with building it, and the test accuracy."""
    with seeded(0, "tutorial"):
        batches = loader(folder, 28, 4, images)
        started = time.perf_counter()
        network = models.build("lenet")
        train(network, make_optimizer("lenet", network), batches)
        seconds = time.perf_counter() - started
    right = count = 0
    with torch.inference_mode():
        for inputs, labels in loader(folder, 28, 500, 10_000, training=False):
            right += int((network(inputs).argmax(dim=1) == labels).sum())
            count += len(labels)
    return seconds, right / count


def loader(
    folder: Path,
    image_size: int,
    batch_size: int,
    images: int = 60_000,
    *,
    training: bool = True,
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return shuffled batches of images (N, 1, image_size, image_size) and labels (N,)."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    if image_size != 28:
        steps.append(transforms.Resize((image_size, image_size)))
    with tempfile.TemporaryDirectory() as parent:
        # torchvision looks for the four files here and reads them at once.
        raw = Path(parent, "FashionMNIST", "raw")
        raw.parent.mkdir()
        raw.symlink_to(folder.absolute())
        dataset = FashionMNIST(parent, train=training, transform=transforms.Compose(steps))
    chosen = Subset(dataset, range(images))
    return DataLoader(chosen, batch_size, shuffle=training, num_workers=WORKERS)


def train(
    network: nn.Module, optimizer: optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]]
) -> None:
    """Train one step per batch, with the running loss that the tutorial prints."""
    network.train()
    device = next(network.parameters()).device
    running_loss = 0.0
    for loaded in batches:
        images, labels = (each.to(device) for each in loaded)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
