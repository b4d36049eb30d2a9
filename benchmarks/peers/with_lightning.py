"""PyTorch Lightning: a LightningModule, a Trainer, a DataLoader.

Source: Lightning's guide, "Lightning in 15 minutes".
"""

import logging
import warnings
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from benchmarks.peers.watch import Task, Watch
from fashion_cnn.base import models


class Classifier(L.LightningModule):
    """A network with its loss and its optimiser."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the mean cross-entropy of a batch."""
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> optim.Optimizer:
        """Return the optimiser of the tutorial."""
        return optim.Adam(self.parameters(), lr=0.001)


class Watching(L.Callback):
    """Not the user's code: notes steps and epochs."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_epoch_start(self, *_: Any) -> None:
        """Note that an epoch begins."""
        self.watch.epoch_begins()

    def on_train_batch_end(self, *_: Any) -> None:
        """Note that a step has ended."""
        self.watch.step()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Note that an epoch has ended."""
        module.network.eval()
        self.watch.epoch_ends(lambda images: torch.argmax(module.network(images), dim=1))
        module.network.train()


def train(task: Task, root: str, watch: Watch) -> None:
    """Train as Lightning's guide does, without its files."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    if task.image_size != 28:
        steps.append(transforms.Resize((task.image_size, task.image_size)))
    dataset = FashionMNIST(root, train=True, transform=transforms.Compose(steps))
    loader = DataLoader(
        Subset(dataset, range(task.images)), task.batch_size, shuffle=True, num_workers=2
    )
    trainer = L.Trainer(
        max_epochs=task.epochs,
        accelerator="cpu",
        precision="bf16-mixed" if task.bfloat16 else "32-true",
        callbacks=[Watching(watch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Classifier(models.build(task.model, **task.architecture())), loader)
