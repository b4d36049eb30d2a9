"""fastai: DataLoaders from PyTorch's data sets, a Learner.

Source: fastai's guide, "Migrating from plain PyTorch".
"""

from functools import partial

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import optim
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from benchmarks.peers.watch import Task, Watch
from fashion_cnn.base import models


class Watching(Callback):
    """Not the user's code: notes steps and epochs."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def before_train(self) -> None:
        """Note that an epoch begins."""
        self.watch.epoch_begins()

    def after_step(self) -> None:
        """Note that a step has ended."""
        self.watch.step()

    def after_train(self) -> None:
        """Note that an epoch has ended."""
        self.learn.model.eval()
        self.watch.epoch_ends(lambda images: torch.argmax(self.learn.model(images), dim=1))


def train(task: Task, root: str, watch: Watch) -> None:
    """Train as fastai's guide does, with no validation."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    if task.image_size != 28:
        steps.append(transforms.Resize((task.image_size, task.image_size)))
    dataset = FashionMNIST(root, train=True, transform=transforms.Compose(steps))
    chosen = Subset(dataset, range(task.images))
    loader = DataLoader(chosen, task.batch_size, shuffle=True, num_workers=2)
    learner = Learner(
        DataLoaders(loader, DataLoader(Subset(dataset, range(1)), 1)),
        models.build(task.model, **task.architecture()),
        loss_func=F.cross_entropy,
        opt_func=partial(OptimWrapper, opt=optim.Adam),
        cbs=Watching(watch),
    )
    learner.remove_cbs([ProgressCallback])
    with learner.no_logging():
        learner.fit(task.epochs, 0.001)
