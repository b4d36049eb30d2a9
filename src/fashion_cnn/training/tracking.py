"""What a run shows during training: lines and a progress bar, CSV and JSON, TensorBoard."""

import os
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Never, Self

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fashion_cnn.base.files import write_csv, write_json
from fashion_cnn.dataset.images import Images
from fashion_cnn.training.prediction_figure import draw_predictions
from fashion_cnn.training.state import Epoch

# What DVC shows of a training; the rest of the epoch's row stands beside it.
SHOWN = ("validation_accuracy", "validation_loss", "epoch")


class Tracker:
    """Track one run: `begin`, then for each epoch `start_epoch`, `stop_clock` and `epoch`.

    metrics/train/MODEL.json and plots/training/MODEL.csv hold what is the same on every run and are
    written again after each epoch; what varies goes to runs/MODEL/.
    """

    def __init__(self, folder: Path, model: str, resumed: Mapping[str, Any] | None = None) -> None:
        """Write below `folder`; begin anew, or go on from what `to_checkpoint` returned."""
        self.model = model
        self.metrics = folder / "metrics" / "train" / f"{model}.json"
        self.curve = folder / "plots" / "training" / f"{model}.csv"
        self.runs = folder / "runs" / model
        # Training time without validation: of each finished epoch, and of the current one.
        self.seconds: list[float] = []
        self.elapsed = 0.0
        self.since: float | None = None
        # For the speed, without starting up (libraries, compilation, CUDA graph): the images of the
        # current epoch, the seconds of it that do not count, and the sums over the epochs before.
        self.warm, self.images, self.start_up = False, 0, 0.0
        self.measured = [0.0, 0.0]
        if resumed is None:
            shutil.rmtree(self.runs, ignore_errors=True)
        else:
            self.seconds, self.elapsed = resumed["seconds"], resumed["elapsed"]
            self.start_up, self.measured = self.elapsed, resumed["measured"]
            self._cut_events(resumed["events"])
        # A running TensorBoard has read what was cut off: the step makes it drop that.
        self.writer = SummaryWriter(self.runs, purge_step=resumed and resumed["step"] + 1)
        # A network and its first input, whose maps are logged with each figure of predictions.
        self.watched: tuple[nn.Module, Tensor] | None = None
        self.bar: tqdm[Never] = tqdm(unit=" images", disable=None, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()
        self.writer.close()

    def to_checkpoint(self, step: int) -> dict[str, Any]:
        """Return the times so far and the sizes of TensorBoard's files, after `step` steps."""
        self.writer.flush()
        events = {path.name: path.stat().st_size for path in self._events()}
        seconds = {
            "seconds": self.seconds,
            "elapsed": self._elapsed(),
            "measured": self.measured,
        }
        return seconds | {"step": step, "events": events}

    def begin(
        self, network: nn.Module, pixels: Tensor, inputs: Tensor, layers: list[dict[str, Any]]
    ) -> None:
        """Log images, the network's graph and the table of its layers.

        Args:
            network: its mode is the same afterwards.
            pixels: (N, C, H, W) uint8, shown as a grid.
            inputs: (N, C, H, W) float32, traced through the network.
            layers: one row per layer.
        """
        self.writer.add_images("training images", pixels)
        training = network.training
        with warnings.catch_warnings():
            # SummaryWriter traces with torch.jit, which is deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            self.writer.add_graph(network.eval(), inputs)
        network.train(training)
        self.writer.add_text("shapes", _markdown(layers))

    def start_epoch(self, epoch: int, epochs: int, images: int, done: int) -> None:
        """Start an epoch's progress bar and clock; `done` of its `images` are trained already."""
        self.since = time.perf_counter()
        self.bar.reset(total=images)
        self.bar.update(done)
        self.bar.set_description(f"{self.model} epoch {epoch}/{epochs}")

    def trained(self, images: int, *, warm: bool) -> None:
        """Count a step's images; `warm` is whether the steps have come to their speed."""
        self.bar.update(images)
        self.images += images
        if warm and not self.warm:
            self.images, self.start_up = 0, self._elapsed()
        self.warm = warm

    @property
    def images_per_second(self) -> float:
        """The speed so far, without starting up and validation."""
        images, seconds = self.measured
        return images / seconds

    def training(self, loss: float, gradient_norm: float, step: int) -> None:
        """Log the mean loss since the last call and the norm of the gradients after `step`."""
        self.writer.add_scalar("loss/training, running", loss, step)
        self.writer.add_scalar("gradient norm", gradient_norm, step)

    def stop_clock(self) -> None:
        """Stop the epoch's clock, so that its validation does not count."""
        self.elapsed, self.since = self._elapsed(), None

    def epoch(
        self,
        rows: Sequence[Epoch],
        kept: Epoch,
        made_with: Mapping[str, Any],
        step: int,
        images: int,
    ) -> None:
        """Record the last epoch of `rows`.

        Args:
            rows: every epoch so far.
            kept: the one whose weights would be kept if training ended now.
            made_with: what the numbers depend on besides code, params and data.
            step: how many steps are trained so far, in all epochs.
            images: that an epoch trains.
        """
        row, seconds = rows[-1], self.elapsed
        self.seconds.append(seconds)
        counted = (self.images, seconds - self.start_up) if self.images else (images, seconds)
        self.measured = [before + now for before, now in zip(self.measured, counted, strict=True)]
        self.images, self.start_up, self.elapsed = 0, 0.0, 0.0
        speed = counted[0] / counted[1]
        self.write(rows, kept, made_with)
        for name, value in asdict(row).items():
            if name != "epoch":
                prefix, _, quantity = name.partition("_")
                tag = name if prefix == "learning" else f"{quantity}/{prefix}"
                self.writer.add_scalar(tag, value, step)
        self.writer.add_scalar("images per second", speed, step)
        self.writer.flush()
        tqdm.write(
            f"{self.model} epoch {row.epoch}: train loss {row.train_loss:.4f}, "
            f"train accuracy {row.train_accuracy:.4f}, "
            f"validation loss {row.validation_loss:.4f}, "
            f"validation accuracy {row.validation_accuracy:.4f}, "
            f"{seconds:.1f} s, {speed:.0f} images/s"
        )

    def write(self, rows: Sequence[Epoch], kept: Epoch, made_with: Mapping[str, Any]) -> None:
        """Write the metrics, the training curve and the times so far."""
        row = kept.rounded()
        shown = {name: row.pop(name) for name in SHOWN}
        # DVC shows nothing that is in a list.
        details = [{**row, "made_with": made_with}]
        write_json(self.metrics, {self.model: shown, "details": details})
        write_csv(self.curve, [row.rounded() for row in rows])
        timing = [
            {"epoch": row.epoch, "seconds": seconds}
            for row, seconds in zip(rows, self.seconds, strict=True)
        ]
        write_json(self.runs / "timing.json", timing)

    def predictions(self, images: Images, logits: Tensor, step: int) -> None:
        """Log a figure of predictions against actual labels, and the network's inside."""
        self.writer.add_figure("predictions vs. actuals", draw_predictions(images, logits), step)
        if self.watched:
            self._look(*self.watched, step)

    @torch.no_grad()
    def _look(self, network: nn.Module, inputs: Tensor, step: int) -> None:
        """Log the first convolution's kernels, and each convolution's maps of `inputs` (1, ...)."""
        convolutions = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
        maps: dict[str, Tensor] = {}
        hooks = [
            module.register_forward_hook(lambda *call, name=name: maps.update({name: call[-1]}))
            for name, module in convolutions.items()
        ]
        training = network.training
        network.eval()(inputs)
        network.train(training)
        for hook in hooks:
            hook.remove()
        name, first = next(iter(convolutions.items()))
        self.writer.add_images(f"kernels/{name}", _shades(first.weight[:, :1]), step)
        for name, output in maps.items():
            self.writer.add_images(f"feature maps/{name}", _shades(output[0, :64, None]), step)

    def _elapsed(self) -> float:
        return self.elapsed + (0 if self.since is None else time.perf_counter() - self.since)

    def _events(self) -> list[Path]:
        return [*self.runs.glob("events.out.tfevents.*")]

    def _cut_events(self, sizes: Mapping[str, int]) -> None:
        """Cut off what was logged after the checkpoint, as it will be logged again."""
        for path in self._events():
            if path.name not in sizes:
                path.unlink()
            elif path.stat().st_size > sizes[path.name]:
                os.truncate(path, sizes[path.name])


def _shades(tiles: Tensor) -> Tensor:
    """Return tiles (N, 1, h, w) in [0, 1], grey where they are 0, and large enough to see."""
    tiles = tiles.detach().float().cpu()
    scale = max(1, round(32 / tiles.shape[-1]))
    large = tiles.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    return 0.5 + large / (2 * (large.abs().max() or 1))


def _markdown(rows: list[dict[str, Any]]) -> str:
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([str(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
