"""The training loop: data on the device, one pass an epoch, validation after each."""

import json
import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from fashion_cnn import weights
from fashion_cnn.compute import Compute, choose, derive_seed, seeded
from fashion_cnn.dataset import Images, Transform, batches, read_split, shuffled
from fashion_cnn.errors import InputError
from fashion_cnn.inference import predict
from fashion_cnn.params import Dataset, Recipe
from fashion_cnn.project import dataset_folder, initial_kernels_file, root, weights_file
from fashion_cnn.tracking import Epoch, Tracker


def train(
    model: str,
    build: Callable[..., nn.Module],
    recipe: Recipe,
    dataset: Dataset,
) -> None:
    """Train a network from its seed and write its weights, metrics and curve.

    Args:
        model: lenet, vgg or vgg11; names the files.
        build: makes the network from the recipe's architecture.
        recipe: what to build and how to train it.
        dataset: how to split and normalise.

    Raises:
        InputError: data is missing, the device is not here, or the loss is not finite.
    """
    folder = root()
    compute = choose(recipe.device, recipe.precision)
    transform = Transform(recipe.image_size, dataset.mean, dataset.standard_deviation)
    training, validation = read_split(dataset_folder(), dataset)
    training = training[: recipe.train_images].to(compute.device)
    validation = validation.to(compute.device)
    with seeded(recipe.seed, "initial weights"):
        network = build(**recipe.architecture())
    weights.save_kernels(initial_kernels_file(model), network)
    network.to(compute.device).to(memory_format=torch.channels_last)
    shapes = folder / "data" / "shapes" / f"{model}.json"
    if not shapes.is_file():
        raise InputError(f"{shapes} is missing: run `dvc repro check_shapes`")
    layers = json.loads(shapes.read_text("utf-8"))
    with Tracker(folder, model, recipe.log_interval) as tracker:
        tracker.begin(network, training.pixels[:64], transform(training.pixels[:1]), layers)
        fit(network, training, validation, transform, recipe, compute, tracker)
    weights.save(
        weights_file(model),
        network,
        model=model,
        architecture=recipe.architecture(),
        transform=transform,
        recipe=recipe.model_dump(exclude={"budget"}),
        made_with=compute.describe(),
    )


def fit(
    network: nn.Module,
    training: Images,
    validation: Images,
    transform: Transform,
    recipe: Recipe,
    compute: Compute,
    tracker: Tracker,
) -> None:
    """Train `network` in place; report each step and epoch to `tracker`.

    The order of images is a pure function of (seed, epoch), dropout of (seed, step).

    Raises:
        InputError: the training loss is not finite.
    """
    steps = math.ceil(len(training) / recipe.batch_size)
    optimizer = make_optimizer(network, recipe)
    schedule = make_schedule(optimizer, recipe, steps * recipe.epochs)
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        tracker.start_epoch(epoch, recipe.epochs, len(training))
        order = shuffled(len(training), recipe.seed, "order", epoch).to(compute.device)
        network.train()
        loss_sum = torch.zeros((), device=compute.device)
        correct = torch.zeros((), device=compute.device, dtype=torch.int64)
        for step, batch in enumerate(
            batches(training, recipe.batch_size, order), start=(epoch - 1) * steps + 1
        ):
            torch.manual_seed(derive_seed(recipe.seed, "dropout", step))
            learning_rate = float(schedule.get_last_lr()[0])
            with compute.autocast():
                logits = network(transform(batch.pixels)).float()
            loss = F.cross_entropy(logits, batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.detach() * len(batch)
            correct += _count_correct(logits, batch.labels)
            tracker.step(step, len(batch), loss.detach())
        train_loss = loss_sum.item() / len(training)
        if not math.isfinite(train_loss):
            raise InputError(
                f"{tracker.model}: the loss is {train_loss} in epoch {epoch} at learning rate "
                f"{learning_rate:g}: lower {tracker.model}.learning_rate; no weights are written"
            )
        seconds = time.perf_counter() - started
        logits = predict(network, validation, transform, compute, recipe.batch_size)
        row = Epoch(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=correct.item() / len(training),
            validation_loss=F.cross_entropy(logits, validation.labels).item(),
            validation_accuracy=_count_correct(logits, validation.labels).item() / len(validation),
            learning_rate=learning_rate,
        )
        tracker.epoch(row, epoch * steps, seconds, len(training))
        tracker.predictions(validation[:8], logits[:8], epoch * steps)


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """Return torch's own optimiser for the recipe, fused."""
    weights, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    match recipe.optimizer:
        case "sgd":
            return SGD(weights, rate, recipe.momentum, weight_decay=decay, fused=True)
        case "adam":
            return Adam(weights, rate, weight_decay=decay, fused=True)
        case "adamw":
            return AdamW(weights, rate, weight_decay=decay, fused=True)


def make_schedule(optimizer: Optimizer, recipe: Recipe, total_steps: int) -> LRScheduler:
    """Return torch's own schedule for the recipe, to be stepped after each optimiser step."""
    match recipe.schedule:
        case "constant":
            return ConstantLR(optimizer, factor=1.0, total_iters=1)
        case "cosine":
            return CosineAnnealingLR(optimizer, T_max=total_steps)
        case "one_cycle":
            return OneCycleLR(
                optimizer,
                max_lr=recipe.learning_rate,
                total_steps=total_steps + 1,
                cycle_momentum=False,
            )


def _count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).sum()
