"""The training loop: one pass over the training images per epoch, then validation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import Compute, reseed
from fashion_cnn.dataset.images import Images, Transform, shuffled
from fashion_cnn.trained.inference import predict
from fashion_cnn.training.augmentation import augment, draw
from fashion_cnn.training.distributed import ALONE, Processes
from fashion_cnn.training.state import Epoch, TrainingState
from fashion_cnn.training.tracking import Tracker


@dataclass(frozen=True)
class Loop:
    """All that the training of `state.network` by `state.recipe` needs."""

    state: TrainingState
    transform: Transform
    compute: Compute
    tracker: Tracker | None = None
    """Only the main process has one."""
    processes: Processes = ALONE
    pause: Callable[[bool], None] = lambda epoch_ended: None
    """Called where the state can be saved: after each step, validation batch and epoch."""
    made_with: Mapping[str, Any] = field(default_factory=dict)
    log_interval: int = 50
    """Steps between two points of TensorBoard's training loss."""

    def fit(self, training: Images, validation: Images) -> None:
        """Train until the recipe's end, on images on the compute device.

        Raises:
            InputError: the loss or the gradients are not finite, or torch.compile fails.
        """
        try:
            self._fit(training, validation)
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{self.state.model}.compile: torch.compile failed ({reason}): install a C++ "
                "compiler or set it to false"
            ) from None

    def _fit(self, training: Images, validation: Images) -> None:
        state, device = self.state, self.compute.device
        frozen_before, runner = None, state.network
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            while not state.finished:
                parameters = dict(state.network.named_parameters())
                frozen = {name for name in parameters if state.recipe.frozen(name, state.epoch)}
                if frozen != frozen_before:
                    for name, parameter in parameters.items():
                        parameter.requires_grad_(name not in frozen)
                    frozen_before, runner = frozen, self._runner()
                self._train_epoch(runner, training)
                self._validate(len(training), validation)
                self.pause(True)

    def _runner(self) -> nn.Module:
        """Return the network that steps run: wrapped for several processes, compiled, or itself."""
        runner = self.processes.wrap(self.state.network)
        if self.state.recipe.compile:
            return cast(nn.Module, torch.compile(runner, dynamic=False))
        return runner

    def _train_epoch(self, runner: nn.Module, training: Images) -> None:
        state, recipe, epoch = self.state, self.state.recipe, self.state.epoch
        order = shuffled(len(training), recipe.seed, "order", epoch).to(training.labels.device)
        draws = draw(len(training), recipe.seed, epoch).to(order.device)
        if self.tracker:
            done = min(state.step * recipe.batch_size, len(training))
            self.tracker.start_epoch(epoch, recipe.epochs, len(training), done)
        state.network.train()
        while state.step < state.steps:
            start = state.step * recipe.batch_size
            step = slice(start, start + recipe.batch_size)
            batch = training[self.processes.share(order[step])]
            pixels = augment(batch.pixels, self.processes.share(draws[step]), recipe.augmentation)
            batch = replace(batch, pixels=pixels)
            size = len(order[step])
            reseed(self.compute.device, recipe.seed, epoch, state.step, self.processes.rank)
            norm = self.train_step(runner, batch, size)
            if self.tracker:
                self.tracker.bar.update(size)
            if state.total_steps % self.log_interval == 0:
                self._log(norm)
            self.pause(False)
        state.check_finite()
        if self.tracker:
            self.tracker.stop_clock()

    def train_step(self, runner: nn.Module, batch: Images, size: int) -> Tensor | None:
        """Train one step and count it in the state.

        Args:
            runner: the network, or a compiled or distributed wrapper of it.
            batch: this process's images, on the compute device.
            size: the number of images in the batches of all processes.

        Returns:
            The norm of the gradients (), if the recipe clips it.
        """
        state, recipe, norm = self.state, self.state.recipe, None
        with self.compute.autocast():
            logits = runner(self.transform(batch.pixels)).float()
        loss = F.cross_entropy(
            logits, batch.labels, reduction="sum", label_smoothing=recipe.label_smoothing
        )
        state.optimizer.zero_grad()
        # The mean over the images of all processes, whose gradients will be averaged.
        (loss * (self.processes.count / size)).backward()
        if recipe.clip_norm is not None:
            norm = clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
        state.optimizer.step()
        state.schedule.step()
        state.update_average()
        sums = torch.stack([loss.detach(), _count_correct(logits, batch.labels)])
        state.sums += self.processes.total(sums)
        state.losses.append(sums[0] / size)
        state.step += 1
        return norm

    def _log(self, clipped_norm: Tensor | None) -> None:
        """Check that losses and gradients are finite, and track them."""
        state = self.state
        state.check_finite()
        gradients = [p.grad for p in state.network.parameters() if p.grad is not None]
        norm = float(get_total_norm(gradients) if clipped_norm is None else clipped_norm)
        if not math.isfinite(norm):
            raise state.not_finite("norm of the gradients", norm, state.step)
        if self.tracker:
            running = torch.stack(state.losses).mean().item()
            self.tracker.training(running, norm, state.total_steps)
        state.losses.clear()

    def _validate(self, trained: int, validation: Images) -> None:
        """Predict every validation image, and end the epoch, which trained `trained` images."""
        state, step = self.state, self.state.total_steps
        logits = self._predict(validation)
        correct = _count_correct(logits, validation.labels)
        loss, train_loss = F.cross_entropy(logits, validation.labels), state.sums[0] / trained
        if not math.isfinite(loss):
            raise state.not_finite("validation loss", loss.item(), state.step)
        row = Epoch(
            epoch=state.epoch,
            train_loss=train_loss.item(),
            train_accuracy=state.sums[1].item() / trained,
            validation_loss=loss.item(),
            validation_accuracy=correct.item() / len(validation),
            learning_rate=state.learning_rate,
        )
        state.end_epoch(row)
        if self.tracker:
            self.tracker.epoch(state.rows, state.kept_row, self.made_with, step, trained)
            self.tracker.predictions(validation[:8], logits[:8], step)

    def _predict(self, images: Images) -> Tensor:
        """Return the logits of `images`; each process computes some of the batches."""
        size, processes = self.state.recipe.batch_size, self.processes
        logits = torch.zeros(len(images), len(images.classes), device=images.labels.device)
        for start in range(0, len(images), size * processes.count):
            first = start + size * processes.rank
            batch = images[first : first + size]
            if len(batch):
                logits[first : first + size] = predict(
                    self.state.validated, batch, self.transform, self.compute, size
                )
            self.pause(False)
        return processes.total(logits)


def _count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).sum().float()
