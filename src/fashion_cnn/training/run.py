"""One training from parameters to weights: begun anew or gone on with, watched, saved."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from math import ceil
from signal import Signals
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.compute import Compute, prepare, probe, seeded
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.gpu_lock import own_gpu
from fashion_cnn.base.params import Dataset
from fashion_cnn.base.paths import (
    checkpoints_folder,
    dataset_folder,
    initial_kernels_file,
    repository,
    root,
    weights_file,
)
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.dataset.images import Transform, read_split
from fashion_cnn.trained import weights
from fashion_cnn.training.checkpoint import Checkpoints, fingerprint
from fashion_cnn.training.distributed import Processes, joined
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import TrainingState
from fashion_cnn.training.stopping import Stop
from fashion_cnn.training.tracking import Tracker


def train(
    model: str,
    build: Callable[..., nn.Module],
    recipe: Recipe,
    dataset: Dataset,
    log_interval: int,
) -> None:
    """Train a network from its seed, or from its last checkpoint, and write what came of it.

    Under torchrun, every process trains a part of each batch, and the first alone writes.

    Args:
        model: lenet, vgg or vgg11; names the files.
        build: makes the network from the recipe's architecture.
        recipe: what to build and how to train it.
        dataset: how to split and normalise.
        log_interval: steps between two points of TensorBoard's training loss.

    Raises:
        InputError: data is missing, the device is not here, or the loss is not finite.
        SystemExit: a signal asked to stop; what is trained is saved.
    """
    shapes = root() / "data" / "shapes" / f"{model}.json"
    if not shapes.is_file():
        raise InputError(f"{shapes} is missing: run `dvc repro check_shapes`")
    layers = json.loads(shapes.read_text("utf-8"))
    chosen = prepare(recipe.device, recipe.precision, deterministic=recipe.deterministic)
    with own_gpu(chosen) as own, joined(own) as (compute, processes), ExitStack() as stack:
        training, validation = read_split(dataset_folder(), dataset)
        training = training[: recipe.train_images]
        transform = Transform(recipe.image_size, dataset.mean, dataset.standard_deviation)
        with seeded(recipe.seed, "initial weights"):
            network = build(**recipe.architecture())
        inputs = {"recipe": recipe.model_dump(), "dataset": dataset.model_dump()}
        key = fingerprint(inputs | compute.identity(), network, [training, validation])
        checkpoints: Checkpoints | None = None
        if processes.main:
            checkpoints = _hold_checkpoints(stack, key)
            weights.save_kernels(initial_kernels_file(model), network)

        network.to(compute.device).to(memory_format=torch.channels_last)
        training, validation = training.to(compute.device), validation.to(compute.device)
        state = TrainingState(model, network, recipe, ceil(len(training) / recipe.batch_size))
        saved = processes.from_main(checkpoints.newest() if checkpoints else None)
        made_with: dict[str, Any] = compute.describe() | {"processes": processes.count}
        if saved:
            state.restore(saved["state"])
            made_with = _continued(saved["made_with"], made_with)
        tracker: Tracker | None = None
        if processes.main:
            tracker = stack.enter_context(Tracker(root(), model, saved and saved["tracker"]))
            _introduce(tracker, state, made_with, training.pixels, transform, layers)
        if checkpoints:
            checkpoints.expect(state.size())
        stop = stack.enter_context(Stop())
        pause = partial(_pause, state, checkpoints, tracker, made_with, processes, stop)
        loop = Loop(state, transform, compute, tracker, processes, pause, made_with, log_interval)
        loop.fit(training, validation)

        if checkpoints and tracker:
            weights.save(
                weights_file(model),
                state.keep(),
                model=model,
                architecture=recipe.architecture(),
                transform=transform,
                recipe=recipe.model_dump(),
                made_with=made_with,
            )
            checkpoints.remove()
            _conclude(state, tracker, compute, processes, layers, len(training))


def _hold_checkpoints(stack: ExitStack, key: str) -> Checkpoints:
    """Hold the repository's checkpoints of this run, or this copy's own.

    DVC makes copies for experiments, and several may train the very same at a moment.
    """
    try:
        return stack.enter_context(Checkpoints(checkpoints_folder() / key))
    except InputError:
        if repository() == root():
            raise
        return stack.enter_context(Checkpoints(root() / ".checkpoints" / key))


def _continued(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Say with what a training was made that was begun with `before` and goes on with `now`."""
    if {name: value for name, value in before.items() if name != "begun_with"} == now:
        return before
    return now | {"begun_with": before}


def _introduce(
    tracker: Tracker,
    state: TrainingState,
    made_with: dict[str, Any],
    pixels: Tensor,
    transform: Transform,
    layers: list[dict[str, Any]],
) -> None:
    """Show what is trained, or where an interrupted run goes on."""
    if not state.total_steps:
        tracker.begin(state.network, pixels[:64], transform(pixels[:1]), layers)
        return
    print(f"{state.model}: resumed in epoch {state.epoch} after {state.step} steps")
    if state.rows:
        tracker.write(state.rows, state.kept_row, made_with)


def _pause(
    state: TrainingState,
    checkpoints: Checkpoints | None,
    tracker: Tracker | None,
    made_with: dict[str, Any],
    processes: Processes,
    stop: Stop,
    epoch_ended: bool,
) -> None:
    """Save where it is time to; save and end where a signal has asked to."""
    number = processes.highest(stop.signal)
    if checkpoints and tracker and (number or checkpoints.due(epoch_ended=epoch_ended)):
        state.check_finite()
        step = state.total_steps
        whole = {"state": state.to_checkpoint(), "tracker": tracker.to_checkpoint(step)}
        checkpoints.write(whole | {"made_with": made_with}, step)
    if number:
        if processes.main:
            print(
                f"stopped by {Signals(number).name} in epoch {state.epoch} after {state.step} "
                "steps: saved; the same command goes on from here",
                file=sys.stderr,
            )
        raise SystemExit(128 + number)


def _conclude(
    state: TrainingState,
    tracker: Tracker,
    compute: Compute,
    processes: Processes,
    layers: list[dict[str, Any]],
    images_an_epoch: int,
) -> None:
    """Print the run's last line: what was reached, how fast, and how near the device's peak."""
    images, seconds = images_an_epoch * len(state.rows), sum(tracker.seconds)
    operations = 6 * sum(layer["multiply_accumulates"] for layer in layers) * images
    peak = processes.count * probe(compute)
    print(
        f"{state.model}: validation accuracy {state.kept_row.validation_accuracy:.4f}, "
        f"{seconds:.1f} s, {images / seconds:,.0f} images/s, {operations / seconds / peak:.0%} "
        f"of the {compute.device}'s measured {peak / 1e9:,.0f} GFLOP/s"
    )
