"""Figures of what a network has inside: kernels, feature maps, Grad-CAM."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from fashion_cnn.visualize.extraction import change, strongest_channels
from fashion_cnn.visualize.inspection import Example
from fashion_cnn.visualize.panels import (
    BAR,
    HEADING,
    LINE,
    MARGIN,
    draw_bar,
    draw_image,
    draw_panels,
    make_figure,
    place,
)

# The cosine between a layer's weights before and after training from which on they look alike.
ALIKE = 0.9


def draw_kernels(
    name: str, before: Tensor, after: Tensor, *, channel: str, max_kernels: int, colors: str
) -> Figure:
    """Draw a layer's kernels before and after training, in the same order, on one scale.

    Where both look alike, their difference stands beside them, enlarged to that scale; of its
    values, 2% may lie beyond it and are drawn at its ends.

    Args:
        name: of the layer, for the title.
        before: (out, in, h, w), the initial weight.
        after: (out, in, h, w), the trained weight.
        channel: first; or strongest, each kernel's input channel of largest norm after training.
        max_kernels: draw at most so many kernels.
        colors: diverging or grey.
    """
    kernels, inputs = after.shape[:2]
    drawn = torch.arange(min(max_kernels, kernels))
    channels = torch.zeros_like(drawn)
    labels = [str(kernel) for kernel in drawn.tolist()]
    notes = []
    if inputs > 1 and channel == "first":
        notes.append(f"input channel 0 of {inputs}")
    elif inputs > 1:
        channels = strongest_channels(after)[drawn]
        arrow = "\N{LEFTWARDS ARROW}"
        labels = [f"{label}{arrow}{source}" for label, source in zip(labels, channels, strict=True)]
        notes.append(f"each kernel's strongest of {inputs} input channels (kernel{arrow}channel)")
    moved, cosine = change(before, after)
    notes.append(f"training moved the layer by {moved:.0%} of its norm (cosine {cosine:.2f})")
    panels = {"before training": before[drawn, channels], "after training": after[drawn, channels]}
    # Kernels that training hardly turned look alike: what it added is drawn large enough to see,
    # all but its few largest values, which would leave the others pale.
    added = panels["after training"] - panels["before training"]
    if cosine >= ALIKE and (usual := float(added.abs().quantile(0.98))):
        scale = max(float(tiles.abs().max()) for tiles in panels.values())
        times = max(2, int(scale / usual))
        panels[f"difference, {times} times"] = (times * added).clamp(-scale, scale)
    return draw_panels(
        f"{name}: weight {tuple(after.shape)}, {_count(len(drawn), kernels, 'kernels')}",
        "; ".join(notes),
        panels,
        labels=labels,
        colors=colors,
    )


def draw_feature_maps(
    name: str,
    maps: Mapping[str, Tensor],
    example: Example,
    *,
    dead: Tensor | None,
    dead_images: int,
    max_channels: int,
    colors: str,
) -> Figure:
    """Draw the output of a convolution and of the layers after it for an image, on one scale.

    Args:
        name: of the convolution, for the title.
        maps: (C, h, w) of each layer, by the panel's title.
        example: the image, drawn beside the maps with the network's prediction.
        dead: (C,) bool, the channels to mark; None if no activation follows.
        dead_images: for how many images the channels were tested.
        max_channels: draw at most so many channels.
        colors: diverging or grey.
    """
    channels = len(next(iter(maps.values())))
    drawn = min(max_channels, channels)
    note, marked = "no activation follows", []
    if dead is not None:
        marked = dead[:drawn].nonzero().flatten().tolist()
        note = (
            f"{int(dead.sum())} dead{', framed in red' if dead.any() else ''}: "
            f"zero after the activation for all {dead_images:,} test images"
        )
    return draw_panels(
        f"{name}: {_count(drawn, channels, 'channels')}",
        note,
        {title: tensor[:drawn] for title, tensor in maps.items()},
        labels=[str(channel) for channel in range(drawn)],
        colors=colors,
        example=example,
        marked=marked,
    )


def draw_grad_cam(name: str, examples: Sequence[Example], heat: Tensor) -> Figure:
    """Draw each image, alone and under its Grad-CAM map for the predicted class.

    Args:
        name: of the layer that Grad-CAM reads, for the title.
        examples: N images and the network's predictions.
        heat: (N, h, w) in [0, 1].
    """
    side, gap, columns = 1.8, 0.05, min(len(examples), 4)
    rows = math.ceil(len(examples) / columns)
    cell_width, cell_height = 2 * side + gap + 2 * MARGIN, 2 * LINE + side + MARGIN
    width = max(columns * cell_width + BAR + 4 * MARGIN, 6.0)
    figure = make_figure(
        width,
        HEADING + rows * cell_height,
        f"{name}: Grad-CAM, {heat.shape[1]} x {heat.shape[2]}",
        "where the network finds the class it predicts; of each image, 1 is the strongest place",
    )
    edge = examples[0].pixels.shape[-1] - 0.5
    for number, (example, heatmap) in enumerate(zip(examples, heat, strict=True)):
        left = MARGIN + number % columns * cell_width
        bottom = MARGIN + (rows - 1 - number // columns) * cell_height
        draw_image(place(figure, left, bottom, side, side), example)
        axes = place(figure, left + side + gap, bottom, side, side)
        axes.imshow(example.pixels[0].numpy(), cmap="gray", vmin=0, vmax=255)
        picture = axes.imshow(
            heatmap.numpy(),
            cmap="inferno",
            vmin=0,
            vmax=1,
            alpha=0.65,
            interpolation="bilinear",
            extent=(-0.5, edge, edge, -0.5),
        )
    bar_height = rows * cell_height - 2 * LINE - MARGIN
    draw_bar(figure, picture, MARGIN + columns * cell_width, MARGIN, bar_height)
    return figure


def _count(drawn: int, total: int, noun: str) -> str:
    return f"{total} {noun}" if drawn == total else f"the first {drawn} of {total} {noun}"
