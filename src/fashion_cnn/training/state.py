"""What changes as training goes on: all that a checkpoint needs to resume from it."""

import copy
import math
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.training.distributed import ALONE, Processes
from fashion_cnn.training.optimization import learning_rates, make_optimizer
from fashion_cnn.training.snapshots import Snapshots


@dataclass(frozen=True)
class Epoch:
    """One row of the training curve: mean losses in nats, accuracies in [0, 1]."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float

    def rounded(self) -> dict[str, float]:
        """Return the row as it is written: six digits of each number."""
        return {
            name: float(f"{value:.6g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


class TrainingState:
    """A network in training, its optimiser and schedule, and the current epoch and step.

    Order, augmentation and dropout are drawn from (seed, epoch, step), so that no random
    generator's state needs to be saved.
    """

    def __init__(
        self,
        model: str,
        network: nn.Module,
        recipe: Recipe,
        steps: int,
        *,
        log_interval: int = 50,
        processes: Processes = ALONE,
        scaled: bool = False,
    ) -> None:
        """Begin before the first step.

        Args:
            model: names the recipe in messages.
            network: on its device.
            recipe: how to train it.
            steps: per epoch.
            log_interval: steps between two points of TensorBoard's training loss.
            processes: those that train the network together.
            scaled: whether losses are scaled, so that float16 holds their gradients.
        """
        self.model = model
        self.steps = steps
        self.network = network
        self.recipe = recipe
        self.log_interval = log_interval
        self.processes = processes
        device = next(network.parameters()).device
        self.optimizer = make_optimizer(network, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        if scaled and isinstance(self.optimizer, SGD) and recipe.momentum:
            # A first step that the scaler leaves out would leave torch's own without values.
            for parameter in network.parameters():
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        peaks = [group["peak"] for group in self.optimizer.param_groups]
        self._course = learning_rates(peaks, recipe, recipe.epochs * steps)
        self.rates = [*islice(self._course, steps)]
        self.average = None if recipe.ema_decay is None else copy.deepcopy(network)
        self.snapshots: Snapshots | None = None
        self.rows: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.step = 0
        # On the device: steps in this epoch, and losses since the last log entry.
        self.counts = torch.zeros(2, dtype=torch.int64, device=device)
        # Of this process, over the epoch's images so far: sum of the losses, number of correct
        # predictions.
        self.sums = torch.zeros(2, device=device)
        # This process's part of the losses of the steps since the last log entry, which are
        # `pending`.
        self.losses = torch.zeros(log_interval, device=device)
        self.pending = 0

    @property
    def epoch(self) -> int:
        """The current epoch, from 1."""
        return len(self.rows) + 1

    @property
    def total_steps(self) -> int:
        """Steps trained so far, in all epochs."""
        return len(self.rows) * self.steps + self.step

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept: the moving average if the recipe has one."""
        return self.average or self.network

    @property
    def best_row(self) -> Epoch:
        """The epoch with the highest validation accuracy; among equals, with the lowest loss."""
        return max(self.rows, key=lambda row: (row.validation_accuracy, -row.validation_loss))

    @property
    def kept_row(self) -> Epoch:
        """The epoch whose weights would be kept if training ended now."""
        return self.best_row if self.recipe.keep == "best" else self.rows[-1]

    @property
    def finished(self) -> bool:
        """Whether all epochs are trained or patience has run out."""
        trained, patience = len(self.rows), self.recipe.patience
        waited = trained - self.best_row.epoch if self.rows else 0
        return trained == self.recipe.epochs or (patience is not None and waited >= patience)

    @torch.no_grad()
    def update_average(self) -> None:
        """Take the network's weights after this step into their moving average, if there is one.

        torch's AveragedModel does the same, but counts the steps on the device and reads that back.
        """
        if self.average is None or self.recipe.ema_decay is None:
            return
        means: list[Tensor] = [*self.average.parameters()]
        now: list[Tensor] = [*self.network.parameters()]
        if self.total_steps:
            torch._foreach_lerp_(means, now, 1 - self.recipe.ema_decay)
        else:
            torch._foreach_copy_(means, now)
        # Batch norm's running statistics are averages already.
        for kept, newest in zip(self.average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(newest)

    def check_finite(self) -> Tensor:
        """Return the losses of the steps since the last log entry.

        Raises:
            InputError: one is not finite; names epoch, step, learning rate and what to try.
        """
        losses = self.processes.sum(self.losses)[: self.pending]
        for step, loss in enumerate(losses.tolist(), self.step - self.pending + 1):
            if not math.isfinite(loss):
                raise self.not_finite("loss", loss, step)
        return losses

    def forget_losses(self) -> None:
        """Begin anew to collect the losses of steps, after a log entry."""
        self.pending = 0
        self.counts[1].zero_()

    def not_finite(self, quantity: str, value: float, step: int) -> InputError:
        """Return the error that `quantity` is not finite at `step` of the epoch."""
        rate, model = self.rates[max(step, 1) - 1][0], self.model
        return InputError(
            f"{model}: the {quantity} is {value} in epoch {self.epoch}, step {step} of "
            f"{self.steps}, at learning rate {rate:.3g}: lower {model}.learning_rate, raise "
            f"{model}.warmup_fraction or set {model}.clip_norm; no weights are written"
        )

    def end_epoch(self, row: Epoch) -> None:
        """Record an epoch's results and go to the start of the next."""
        self.rows.append(row)
        self.step = 0
        self.counts[0].zero_()
        self.sums.zero_()
        if not self.finished:
            self.rates = [*islice(self._course, self.steps)]
        if self.snapshots:
            self.snapshots.add(row.epoch, self.validated)
        if self.recipe.keep == "best" and self.best_row is row:
            weights = self.validated.state_dict()
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def keep(self) -> nn.Module:
        """Return the network to keep, with the best epoch's weights if the recipe asks for them."""
        if self.best:
            self.validated.load_state_dict(self.best)
        return self.validated

    def to_checkpoint(self) -> dict[str, Any]:
        """Return the whole state as nested dicts and lists of values and tensors."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "best": self.best,
            "snapshots": self.snapshots.to_checkpoint() if self.snapshots else {},
            "rows": [asdict(row) for row in self.rows],
            "step": self.step,
            "sums": self.processes.gather(self.sums),
            "losses": self.processes.gather(self.losses)[:, : self.pending],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Resume from what `to_checkpoint` returned."""
        self.network.load_state_dict(saved["network"])
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(saved["optimizer"])
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.scaler.load_state_dict(saved["scaler"])
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # A fused step reads both in memory order: both need the same layout.
                    values[name] = torch.empty_like(parameter).copy_(value)
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.best = saved["best"]
        if self.snapshots:
            self.snapshots.restore(saved["snapshots"])
        self.rows = [Epoch(**row) for row in saved["rows"]]
        for _ in self.rows[: self.recipe.epochs - 1]:
            self.rates = [*islice(self._course, self.steps)]
        self.step = saved["step"]
        self.sums.copy_(self.processes.own(saved["sums"]))
        # The log's interval may be another now.
        self.pending = min(saved["losses"].shape[1], self.total_steps % self.log_interval)
        losses = self.processes.own(saved["losses"])
        self.losses[: self.pending] = losses[len(losses) - self.pending :].to(self.losses.device)
        self.counts.copy_(torch.tensor([self.step, self.pending]))

    def size(self) -> int:
        """Return about how many bytes a checkpoint takes: the weights and their copies."""
        weights = sum(4 * parameter.numel() for parameter in self.network.parameters())
        return weights * (1 + self.recipe.extra_weight_copies())
