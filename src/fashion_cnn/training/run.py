"""One training, from params to weights: begun or resumed, tracked, saved."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from math import ceil
from signal import Signals
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import check_writable
from fashion_cnn.base.params import Dataset, Pictures
from fashion_cnn.base.paths import (
    checkpoints_folder,
    dataset_folder,
    epoch_weights_file,
    initial_kernels_file,
    repository,
    root,
    runs_folder,
    shapes_file,
    weights_file,
)
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import Compute, prepare, probe, seeded
from fashion_cnn.core.gpu_lock import own_gpu
from fashion_cnn.core.shapes import TracedLayer
from fashion_cnn.dataset.images import Transform, read_split
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind
from fashion_cnn.trained import tensor_files, weights
from fashion_cnn.training.checkpoint import Checkpoints, State, fingerprint, identity
from fashion_cnn.training.distributed import Processes, Votes, joined
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.machine import training_fits
from fashion_cnn.training.snapshots import Snapshots
from fashion_cnn.training.state import TrainingState
from fashion_cnn.training.stopping import Stop
from fashion_cnn.training.tracking import Tracker


def train(
    model: str,
    build: Callable[..., nn.Module],
    recipe: Recipe,
    dataset: Dataset,
    log_interval: int,
    *,
    keep_epochs: bool = False,
) -> None:
    """Train a network from its seed or from its last checkpoint, and write the results.

    Under torchrun, every process trains a part of each batch, and only the first one writes.

    Args:
        model: a module of fashion_cnn.models; names the files.
        build: makes the network from the recipe's architecture.
        recipe: what to build and how to train it.
        dataset: how to split and normalise.
        log_interval: steps between two points of TensorBoard's training loss.
        keep_epochs: whether to write the weights after each epoch too.

    Raises:
        InputError: data is missing, the machine lacks the device, or the loss is not finite.
        SystemExit: a signal asked to stop; the training so far is saved.
    """
    layers = _read_layers(model)
    _check_folders(model, keep_epochs)
    prepared = prepare(recipe.device, recipe.precision, deterministic=recipe.deterministic)
    with own_gpu(prepared) as held, joined(held) as (compute, processes), ExitStack() as stack:
        rows = [TracedLayer(**layer) for layer in layers]
        stack.enter_context(training_fits(model, rows, recipe, compute, processes.count))
        training, validation = read_split(dataset_folder(), dataset, recipe.train_images)
        transform = Transform(recipe.image_size, dataset.mean, dataset.standard_deviation)
        network = _initial_network(build, recipe, training.kind)
        checkpoints: Checkpoints | None = None
        if processes.main:
            inputs = {"model": model, model: recipe.model_dump(), "dataset": dataset.model_dump()}
            parts = identity(inputs | compute.identity(), network, [training, validation])
            checkpoints = _hold_checkpoints(stack, parts)
            weights.save_kernels(initial_kernels_file(model), network)
        network.to(compute.device)
        training, validation = training.to(compute.device), validation.to(compute.device)
        steps, scaled = ceil(len(training) / recipe.batch_size), compute.dtype == torch.float16
        state = TrainingState(
            *(model, network, recipe, steps),
            log_interval=log_interval,
            processes=processes,
            scaled=scaled,
        )
        if keep_epochs:
            state.snapshots = Snapshots(network, recipe.epochs)
        saved, made_with = _resume(state, checkpoints, compute, processes)
        tracker: Tracker | None = None
        if checkpoints:
            checkpoints.expect(state.size())
            tracker = stack.enter_context(Tracker(root(), model, saved and saved["tracker"]))
            _introduce(tracker, state, made_with, training.pixels, transform, layers)
        stop = stack.enter_context(Stop())
        pause = partial(_pause, state, checkpoints, tracker, made_with, Votes(processes), stop)
        loop = Loop(state, transform, compute, tracker, pause, made_with)
        loop.fit(training, validation)
        if checkpoints and tracker:
            pictures = None if training.kind == FASHION_MNIST else dataset.pictures
            _save_weights(state, training.kind, pictures, transform, made_with)
            checkpoints.remove()
            _conclude(state, tracker, compute, layers)


def _check_folders(model: str, keep_epochs: bool) -> None:
    """Check that the files can be written, before hours of training and not after."""
    check_writable(
        initial_kernels_file(model).parent,
        weights_file(model).parent,
        *([epoch_weights_file(model).parent] if keep_epochs else []),
        *(root() / name for name in ("metrics/train", "plots/training")),
        runs_folder(model),
        checkpoints_folder(),
    )


def _read_layers(model: str) -> list[dict[str, Any]]:
    """Return the traced layers of the network, one row per layer."""
    path = shapes_file(model)
    if not path.is_file():
        raise InputError(f"{path} is missing: run `dvc repro check_shapes`")
    layers: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return layers


def _initial_network(build: Callable[..., nn.Module], recipe: Recipe, kind: Kind) -> nn.Module:
    with seeded(recipe.seed, "initial weights"):
        network = build(**recipe.architecture(), **kind.architecture())
        return network.to(memory_format=torch.channels_last)


def _hold_checkpoints(stack: ExitStack, parts: Mapping[str, str]) -> Checkpoints:
    """Lock the run's checkpoints in the repository, or else in this copy of it.

    DVC copies the repository for experiments, and two copies may train the same run at once.
    """
    key = fingerprint(parts)
    try:
        return stack.enter_context(Checkpoints(checkpoints_folder() / key, parts))
    except InputError:
        if repository() == root():
            raise
        return stack.enter_context(Checkpoints(root() / ".checkpoints" / key, parts))


def _resume(
    state: TrainingState, checkpoints: Checkpoints | None, compute: Compute, processes: Processes
) -> tuple[State | None, dict[str, Any]]:
    """Restore the newest checkpoint, if any; return it, and what the training is made with."""
    made_with: dict[str, Any] = compute.describe() | {"processes": processes.count}
    saved: State | None = processes.from_main(checkpoints and checkpoints.newest())
    if saved:
        state.restore(saved["state"])
        before = saved["made_with"]
        if made_with.items() <= before.items():
            return saved, before
        made_with["begun_with"] = before
    elif checkpoints:
        for reason in checkpoints.refused():
            print(f"{state.model}: begins anew, as a checkpoint does not fit: {reason}")
    return saved, made_with


def _introduce(
    tracker: Tracker,
    state: TrainingState,
    made_with: dict[str, Any],
    pixels: Tensor,
    transform: Transform,
    layers: list[dict[str, Any]],
) -> None:
    """Show what is trained, or where an interrupted run resumes."""
    tracker.watched = state.network, transform(pixels[:1])
    if not state.total_steps:
        tracker.begin(state.network, pixels[:64], tracker.watched[1], layers)
        return
    print(f"{state.model}: resumed in epoch {state.epoch} after {state.step} steps")
    if state.rows:
        tracker.write(state.rows, state.kept_row, made_with)


def _pause(
    state: TrainingState,
    checkpoints: Checkpoints | None,
    tracker: Tracker | None,
    made_with: dict[str, Any],
    votes: Votes,
    stop: Stop,
    epoch_ended: bool,
) -> None:
    """Save if a checkpoint is due; save and exit if a signal has asked to stop."""
    asked = checkpoints is not None and checkpoints.due(epoch_ended=epoch_ended)
    number, due = votes.highest(stop.signal, asked)
    if not number and not due:
        return
    state.check_finite()
    saved, step = state.to_checkpoint(), state.total_steps
    if checkpoints and tracker:
        values = {"state": saved, "tracker": tracker.to_checkpoint(step), "made_with": made_with}
        checkpoints.write(values, step)
    if number:
        if checkpoints:
            print(
                f"stopped by {Signals(number).name} in epoch {state.epoch} after {state.step} "
                "steps: saved; the same command goes on from here",
                file=sys.stderr,
            )
        raise SystemExit(128 + number)


def _save_weights(
    state: TrainingState,
    kind: Kind,
    pictures: Pictures | None,
    transform: Transform,
    made_with: dict[str, Any],
) -> None:
    if state.snapshots:
        described = {
            "epochs": state.snapshots.epochs,
            "kept": state.kept_row.epoch,
            "curve": [row.rounded() for row in state.rows],
        }
        tensor_files.write(epoch_weights_file(state.model), state.snapshots.tensors, described)
    weights.save(
        weights_file(state.model),
        state.keep(),
        model=state.model,
        architecture=state.recipe.architecture(),
        kind=kind,
        pictures=pictures,
        transform=transform,
        recipe=state.recipe.model_dump(exclude={"budget"}),
        made_with=made_with,
    )


def _conclude(
    state: TrainingState, tracker: Tracker, compute: Compute, layers: list[dict[str, Any]]
) -> None:
    """Print the run's last line: its accuracy, its speed, and how close that is to the peak."""
    speed, seconds = tracker.images_per_second, sum(tracker.seconds)
    operations = 6 * sum(layer["multiply_accumulates"] for layer in layers) * speed
    peak = state.processes.count * probe(compute)
    print(
        f"{state.model}: validation accuracy {state.kept_row.validation_accuracy:.4f}, "
        f"{seconds:.1f} s, {speed:,.0f} images/s, {operations / peak:.0%} "
        f"of the {compute.device}'s measured {peak / 1e9:,.0f} GFLOP/s"
    )
