"""A plain PyTorch loop with a DataLoader: the tutorial's way."""

import torch
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from benchmarks.peers.watch import Task, Watch
from fashion_cnn.base import models


def train(task: Task, root: str, watch: Watch) -> None:
    """Train as PyTorch's own quickstart does."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    if task.image_size != 28:
        steps.append(transforms.Resize((task.image_size, task.image_size)))
    dataset = FashionMNIST(root, train=True, transform=transforms.Compose(steps))
    loader = DataLoader(
        Subset(dataset, range(task.images)), task.batch_size, shuffle=True, num_workers=2
    )
    network = models.build(task.model, **task.architecture())
    optimizer = optim.Adam(network.parameters(), lr=0.001)
    for _ in range(task.epochs):
        watch.epoch_begins()
        network.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            watch.step()
        network.eval()
        watch.epoch_ends(lambda images: torch.argmax(network(images), dim=1))
