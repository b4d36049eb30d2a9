"""Make a network visible: its kernels, and its feature maps of an image.

Extraction (convolutions, feature_maps) is pure; drawing returns matplotlib figures.
"""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.utils import make_grid

from fashion_cnn.files import replacing


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Return every convolution by its qualified name, at any depth, in the network's order."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}


@torch.inference_mode()
def feature_maps(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Return each convolution's output (N, C, H, W), from one forward pass of the network.

    Args:
        network: put into evaluation mode.
        inputs: (N, 1, H, W) float32, transformed as the network expects.
    """
    extractor = create_feature_extractor(network.eval(), return_nodes=[*convolutions(network)])
    maps: dict[str, Tensor] = extractor(inputs)
    return maps


def draw_kernels(name: str, weight: Tensor, most: int, colors: str) -> Figure:
    """Draw the first input channel of a layer's kernels, on one scale, as a grid.

    Args:
        name: the layer, for the title.
        weight: (out, in, h, w).
        most: kernels drawn at the most.
        colors: diverging, red above and blue below a white 0; or grey.
    """
    drawn = min(most, len(weight))
    shape = tuple(weight.shape)
    channel = f", input channel 0 of {shape[1]}" if shape[1] > 1 else ""
    count = f"{drawn} of {shape[0]} kernels" if drawn < shape[0] else f"{drawn} kernels"
    largest = float(weight[:drawn, 0].detach().abs().max())
    return _draw_grid(
        weight[:drawn, :1].detach(),
        title=f"{name}: weight {shape}\n{count}{channel}",
        limits=(-largest, largest),
        colormap="RdBu_r" if colors == "diverging" else "gray",
    )


def draw_feature_maps(name: str, maps: Tensor, most: int) -> Figure:
    """Draw a convolution's output for one image, on one scale, as a grid of grey images.

    Args:
        name: the layer, for the title.
        maps: (C, H, W).
        most: maps drawn at the most.
    """
    drawn = min(most, len(maps))
    count = f"{drawn} of {len(maps)} maps" if drawn < len(maps) else f"{drawn} maps"
    return _draw_grid(
        maps[:drawn].unsqueeze(1),
        title=f"{name}: output {tuple(maps.shape)}\n{count}",
        limits=(float(maps[:drawn].min()), float(maps[:drawn].max())),
        colormap="gray",
    )


def save(figures: Mapping[str, Figure], folder: Path, log: Path) -> None:
    """Write NAME.png for each figure into `folder`, which then holds nothing else.

    The same figures go to TensorBoard under `log`, tagged folder/NAME.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(log) as writer:
        for name, figure in figures.items():
            with replacing(folder / f"{name}.png") as unfinished:
                figure.savefig(unfinished, format="png", metadata={"Software": None})
            writer.add_figure(f"{folder.parent.name}/{name}", figure)


def _draw_grid(tiles: Tensor, *, title: str, limits: tuple[float, float], colormap: str) -> Figure:
    """Draw tiles (N, 1, h, w) row by row, as near a square as it comes, with a colour bar."""
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    gap = max(1, tiles.shape[-1] // 12)
    grid = make_grid(tiles, nrow=columns, padding=gap, pad_value=math.nan)[0].numpy()
    figure = Figure(figsize=(6.4, 0.9 + 5.2 * rows / columns), dpi=120, layout="constrained")
    axes = figure.subplots()
    low, high = limits
    picture = axes.imshow(grid, cmap=colormap, vmin=low, vmax=high, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    figure.colorbar(picture, ax=axes, shrink=0.8)
    return figure
