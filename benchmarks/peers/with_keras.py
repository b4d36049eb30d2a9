"""Keras 3 with torch behind it: layers, compile, fit on arrays.

Source: Keras' example "Simple MNIST convnet".
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torchvision.datasets import FashionMNIST

from benchmarks.peers.watch import Task, Watch

BLOCKS = ((1, 8), (1, 16), (2, 32), (2, 64), (2, 64))


class Watching(keras.callbacks.Callback):
    """Not the user's code: notes steps and epochs."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Note that an epoch begins."""
        self.watch.epoch_begins()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Note that a step has ended."""
        self.watch.step()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Note that an epoch has ended."""
        self.watch.epoch_ends(
            lambda images: torch.argmax(self.model(images.movedim(1, -1), training=False), dim=1)
        )


def lenet() -> list[keras.Layer]:
    """Return LeNet's layers."""
    return [
        layers.Conv2D(6, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(16, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="relu"),
        layers.Dense(84, activation="relu"),
        layers.Dense(10, dtype="float32"),
    ]


def vgg() -> list[keras.Layer]:
    """Return the layers of VGG-11, every width divided by 8."""
    features: list[keras.Layer] = []
    for convolutions, width in BLOCKS:
        for _ in range(convolutions):
            features.append(layers.Conv2D(width, 3, padding="same", activation="relu"))
        features.append(layers.MaxPooling2D(2))
    return [
        *features,
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, dtype="float32"),
    ]


def train(task: Task, root: str, watch: Watch) -> None:
    """Train as Keras' example does."""
    if task.bfloat16:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    dataset = FashionMNIST(root, train=True)
    images = dataset.data.numpy()[: task.images, :, :, None].astype(np.float32) / 127.5 - 1
    labels = dataset.targets.numpy()[: task.images]
    resize = [] if task.image_size == 28 else [layers.Resizing(task.image_size, task.image_size)]
    network = keras.Sequential(
        [keras.Input((28, 28, 1)), *resize, *(lenet() if task.model == "lenet" else vgg())]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(0.001),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.fit(
        images,
        labels,
        batch_size=task.batch_size,
        epochs=task.epochs,
        verbose=0,
        callbacks=[Watching(watch)],
    )
