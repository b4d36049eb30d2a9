"""The training loop: one pass over the training images per epoch, then validation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.base.errors import InputError
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.trained.inference import predict
from fashion_cnn.training.state import Epoch, TrainingState
from fashion_cnn.training.step import Step, count_correct, own_stream
from fashion_cnn.training.tracking import Tracker


@dataclass(frozen=True)
class Loop:
    """All that the training of `state.network` by `state.recipe` needs."""

    state: TrainingState
    transform: Transform
    compute: Compute
    tracker: Tracker | None = None
    """Only the main process has one."""
    pause: Callable[[bool], None] = lambda epoch_ended: None
    """Called where the state can be saved: after each step, validation batch and epoch."""
    made_with: Mapping[str, Any] = field(default_factory=dict)

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
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), own_stream(device):
            step = Step(state, self.transform, self.compute, training)
            while not state.finished:
                self._train_epoch(step)
                self._validate(len(training), validation)
                self.pause(True)

    def _train_epoch(self, step: Step) -> None:
        state, tracker, images = self.state, self.tracker, len(step.images)
        step.begin_epoch()
        done = min(state.step * state.recipe.batch_size, images)
        if tracker:
            tracker.start_epoch(state.epoch, state.recipe.epochs, images, done)
        state.network.train()
        while state.step < state.steps:
            size, warm = step(), step.warm
            if tracker:
                tracker.trained(size, warm=warm)
            if state.total_steps % state.log_interval == 0:
                self._log(step)
            self.pause(False)
        state.check_finite()
        if tracker:
            tracker.stop_clock()

    def _log(self, step: Step) -> None:
        """Check that losses and gradients are finite, and track them."""
        state, losses, norm = self.state, self.state.check_finite(), step.gradient_norm()
        # A scaler leaves out steps whose gradients are too large for float16.
        if not math.isfinite(norm) and not state.scaler.is_enabled():
            raise state.not_finite("norm of the gradients", norm, state.step)
        if self.tracker:
            self.tracker.training(losses.mean().item(), norm, state.total_steps)
        state.forget_losses()

    def _validate(self, trained: int, validation: Images) -> None:
        """Predict every validation image, and end the epoch, which trained `trained` images."""
        state, step = self.state, self.state.total_steps
        logits = self._predict(validation)
        correct, sums = count_correct(logits, validation.labels), state.processes.sum(state.sums)
        loss, train_loss = F.cross_entropy(logits, validation.labels), sums[0] / trained
        if not math.isfinite(loss):
            raise state.not_finite("validation loss", loss.item(), state.step)
        row = Epoch(
            epoch=state.epoch,
            train_loss=train_loss.item(),
            train_accuracy=sums[1].item() / trained,
            validation_loss=loss.item(),
            validation_accuracy=correct.item() / len(validation),
            learning_rate=state.rates[0][0],
        )
        state.end_epoch(row)
        if self.tracker:
            self.tracker.epoch(state.rows, state.kept_row, self.made_with, step, trained)
            self.tracker.predictions(validation[:8], logits[:8], step)

    def _predict(self, images: Images) -> Tensor:
        """Return the logits of `images`; each process computes some of the batches."""
        size, processes = self.state.recipe.batch_size, self.state.processes
        logits = torch.zeros(len(images), len(images.classes), device=images.labels.device)
        for start in range(0, len(images), size * processes.count):
            first = start + size * processes.rank
            batch = images[first : first + size]
            if len(batch):
                logits[first : first + size] = predict(
                    self.state.validated, batch, self.transform, self.compute, size
                )
            self.pause(False)
        return processes.sum(logits)
