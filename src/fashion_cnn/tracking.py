"""What a training run shows while it goes: lines and a bar, CSV and JSON, TensorBoard."""

import shutil
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fashion_cnn.dataset import CLASSES, Images
from fashion_cnn.files import write_csv, write_json


@dataclass(frozen=True)
class Epoch:
    """One row of the training curve: mean losses in nats, accuracies in [0, 1]."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


class Tracker:
    """Follow one run: `begin`, then `step` after each step and `epoch` after each epoch.

    Tracked files (metrics/train/MODEL.json, plots/training/MODEL.csv) hold what is the same on
    every run and are written anew after each epoch; what varies goes to runs/MODEL/.
    """

    def __init__(self, folder: Path, model: str, log_interval: int) -> None:
        """Write below `folder`; log the training loss every `log_interval` steps."""
        self.model = model
        self.log_interval = log_interval
        self.metrics = folder / "metrics" / "train" / f"{model}.json"
        self.curve = folder / "plots" / "training" / f"{model}.csv"
        self.runs = folder / "runs" / model
        self.rows: list[Epoch] = []
        self.seconds: list[float] = []
        shutil.rmtree(self.runs, ignore_errors=True)
        self.writer = SummaryWriter(self.runs)
        self.bar: tqdm[Never] = tqdm(unit=" images", disable=None, leave=False)
        self.recent_loss: list[Tensor] = []

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

    def start_epoch(self, epoch: int, epochs: int, images: int) -> None:
        """Start the progress bar of an epoch of `images` images."""
        self.bar.reset(total=images)
        self.bar.set_description(f"{self.model} epoch {epoch}/{epochs}")

    def step(self, step: int, images: int, loss: Tensor) -> None:
        """Count a step of `images` images with mean loss `loss` (), left on its device."""
        self.bar.update(images)
        self.recent_loss.append(loss)
        if step % self.log_interval == 0:
            running = torch.stack(self.recent_loss).mean().item()
            self.recent_loss.clear()
            self.writer.add_scalar("loss/training, running", running, step)

    def epoch(self, row: Epoch, step: int, seconds: float, images: int) -> None:
        """Record an epoch that ended after `step` steps and trained `images` in `seconds`."""
        self.rows.append(row)
        self.seconds.append(seconds)
        write_json(self.metrics, _rounded(row))
        write_csv(self.curve, [_rounded(row) for row in self.rows])
        timing = [
            {"epoch": r.epoch, "seconds": s} for r, s in zip(self.rows, self.seconds, strict=True)
        ]
        write_json(self.runs / "timing.json", timing)
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

    def predictions(self, images: Images, logits: Tensor, step: int) -> None:
        """Log the figure of predictions against actual labels for a handful of images."""
        self.writer.add_figure("predictions vs. actuals", draw_predictions(images, logits), step)


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
