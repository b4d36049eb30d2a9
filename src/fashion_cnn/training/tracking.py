"""What a training run shows while it goes: lines and a bar, CSV and JSON, TensorBoard."""

import os
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self

from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fashion_cnn.base.files import write_csv, write_json
from fashion_cnn.dataset.images import CLASSES, Images
from fashion_cnn.training.state import Epoch

# What DVC shows of a training; the rest of the epoch's row stands beside it.
SHOWN = ("validation_accuracy", "validation_loss", "epoch")


class Tracker:
    """Follow one run: `begin`, then `step` after each step and `epoch` after each epoch.

    Tracked files (metrics/train/MODEL.json, plots/training/MODEL.csv) hold what is the same on
    every run and are written anew after each epoch; what varies goes to runs/MODEL/.
    """

    def __init__(self, folder: Path, model: str, resumed: Mapping[str, Any] | None = None) -> None:
        """Write below `folder`; go on from what `to_checkpoint` returned, or begin anew."""
        self.model = model
        self.metrics = folder / "metrics" / "train" / f"{model}.json"
        self.curve = folder / "plots" / "training" / f"{model}.csv"
        self.runs = folder / "runs" / model
        # Of training without validation: each epoch's, and so far in the one that goes on.
        self.seconds: list[float] = []
        self.elapsed = 0.0
        self.since: float | None = None
        if resumed is None:
            shutil.rmtree(self.runs, ignore_errors=True)
        else:
            self.seconds, self.elapsed = resumed["seconds"], resumed["elapsed"]
            self._cut_events(resumed["events"])
        # A TensorBoard that is open has shown what was cut off; the step tells it to forget that.
        self.writer = SummaryWriter(self.runs, purge_step=resumed and resumed["step"] + 1)
        self.bar: tqdm[Never] = tqdm(unit=" images", disable=None, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
        self.writer.close()

    def to_checkpoint(self, step: int) -> dict[str, Any]:
        """Return the times so far, and how far TensorBoard's files reach, after `step` steps."""
        self.writer.flush()
        events = {path.name: path.stat().st_size for path in self._events()}
        seconds = {"seconds": self.seconds, "elapsed": self._elapsed()}
        return seconds | {"step": step, "events": events}

    def begin(
        self, network: nn.Module, pixels: Tensor, inputs: Tensor, layers: list[dict[str, Any]]
    ) -> None:
        """Log images, the network's graph, and the table of its layers.

        Args:
            network: left in the mode it is in.
            pixels: (N, 1, 28, 28) uint8, drawn as a grid.
            inputs: (N, 1, H, W) float32, traced through the network.
            layers: a row a layer.
        """
        self.writer.add_images("training images", pixels)
        training = network.training
        with warnings.catch_warnings():
            # SummaryWriter still traces with torch.jit, which torch has deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            self.writer.add_graph(network.eval(), inputs)
        network.train(training)
        self.writer.add_text("shapes", _markdown(layers))

    def start_epoch(self, epoch: int, epochs: int, images: int, done: int) -> None:
        """Start the bar and the clock of an epoch of `images` images, `done` of them before."""
        self.since = time.perf_counter()
        self.bar.reset(total=images)
        self.bar.update(done)
        self.bar.set_description(f"{self.model} epoch {epoch}/{epochs}")

    def training(self, loss: float, gradient_norm: float, step: int) -> None:
        """Log the mean loss of the last steps and the norm of the gradients after `step`."""
        self.writer.add_scalar("loss/training, running", loss, step)
        self.writer.add_scalar("gradient norm", gradient_norm, step)

    def stop_clock(self) -> None:
        """Leave out of the epoch's seconds what comes now, its validation."""
        self.elapsed, self.since = self._elapsed(), None

    def epoch(
        self,
        rows: Sequence[Epoch],
        kept: Epoch,
        made_with: Mapping[str, Any],
        step: int,
        images: int,
    ) -> None:
        """Record the last of the epochs `rows`, which ended after `step` steps in all.

        Args:
            rows: every epoch so far.
            kept: the one whose weights are kept so far.
            made_with: what the numbers depend on besides code, params and data.
            step: for TensorBoard.
            images: that an epoch trains.
        """
        row, seconds = rows[-1], self.elapsed
        self.seconds.append(seconds)
        self.elapsed = 0.0
        self.write(rows, kept, made_with)
        for name, value in asdict(row).items():
            if name != "epoch":
                prefix, _, quantity = name.partition("_")
                tag = name if prefix == "learning" else f"{quantity}/{prefix}"
                self.writer.add_scalar(tag, value, step)
        self.writer.add_scalar("images per second", images / seconds, step)
        self.writer.flush()
        tqdm.write(
            f"{self.model} epoch {row.epoch}: train loss {row.train_loss:.4f}, "
            f"train accuracy {row.train_accuracy:.4f}, "
            f"validation loss {row.validation_loss:.4f}, "
            f"validation accuracy {row.validation_accuracy:.4f}, "
            f"{seconds:.1f} s, {images / seconds:.0f} images/s"
        )

    def write(self, rows: Sequence[Epoch], kept: Epoch, made_with: Mapping[str, Any]) -> None:
        """Write metrics, curve and times so far."""
        row = _rounded(kept)
        shown = {name: row.pop(name) for name in SHOWN}
        # DVC shows nothing that is in a list.
        details = [{**row, "made_with": made_with}]
        write_json(self.metrics, {self.model: shown, "details": details})
        write_csv(self.curve, [_rounded(row) for row in rows])
        timing = [
            {"epoch": row.epoch, "seconds": seconds}
            for row, seconds in zip(rows, self.seconds, strict=True)
        ]
        write_json(self.runs / "timing.json", timing)

    def predictions(self, images: Images, logits: Tensor, step: int) -> None:
        """Log the figure of predictions against actual labels for a handful of images."""
        self.writer.add_figure("predictions vs. actuals", draw_predictions(images, logits), step)

    def _elapsed(self) -> float:
        return self.elapsed + (0 if self.since is None else time.perf_counter() - self.since)

    def _events(self) -> list[Path]:
        return [*self.runs.glob("events.out.tfevents.*")]

    def _cut_events(self, sizes: Mapping[str, int]) -> None:
        """Take back what TensorBoard was told after the checkpoint, as it will be told again."""
        for path in self._events():
            if path.name not in sizes:
                path.unlink()
            elif path.stat().st_size > sizes[path.name]:
                os.truncate(path, sizes[path.name])


def draw_predictions(images: Images, logits: Tensor) -> Figure:
    """Draw images titled with predicted class, its probability and the true label.

    Args:
        images: N images, drawn in one row.
        logits: (N, 10).

    Returns:
        The figure; a title is green where the prediction is right and red where it is wrong.
    """
    probabilities, predicted = logits.softmax(dim=1).cpu().max(dim=1)
    figure = Figure(figsize=(1.6 * len(images), 2.3), layout="constrained")
    for index, axes in enumerate(figure.subplots(1, len(images), squeeze=False)[0]):
        guess, label = int(predicted[index]), int(images.labels[index])
        axes.imshow(images.pixels[index, 0].cpu().numpy(), cmap="gray")
        axes.set_axis_off()
        axes.set_title(
            f"{CLASSES[guess]}\n{probabilities[index]:.1%}\n(label: {CLASSES[label]})",
            color="green" if guess == label else "red",
            fontsize=8,
        )
    return figure


def _rounded(row: Epoch) -> dict[str, float]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in asdict(row).items()
    }


def _markdown(rows: list[dict[str, Any]]) -> str:
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([str(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
