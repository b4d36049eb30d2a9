"""Pictures of what a network has inside: kernels, feature maps, Grad-CAM -> PNG files."""

import io
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import FileWriter

from fashion_cnn.base.files import written_atomically
from fashion_cnn.base.params import ExportImages
from fashion_cnn.visualize.extraction import MapLayer, change, strongest_channels
from fashion_cnn.visualize.inspection import Example, Findings
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


def draw_all(model: str, found: Findings, chosen: ExportImages) -> Iterator[tuple[str, Figure]]:
    """Yield every picture of a network and its path below the folder of plots, without suffix."""
    for name, (before, after) in found.kernels.items():
        yield (
            f"kernels/{model}/{name}",
            draw_kernels(
                f"{model}, {name}",
                before,
                after,
                channel=chosen.kernel_channel,
                most=chosen.max_kernels,
                colors=chosen.kernel_colors,
            ),
        )
    for position, example in enumerate(found.examples):
        for name, layers in found.maps.items():
            maps = {_describe(layer): output[position] for layer, output in layers}
            yield (
                f"feature_maps/{model}/{example.index}/{name}",
                draw_feature_maps(
                    f"{model}, {name}",
                    maps,
                    example,
                    dead=found.dead.get(name),
                    dead_images=found.dead_images,
                    most=chosen.max_maps,
                    colors=chosen.map_colors,
                ),
            )
    yield (
        f"grad_cam/{model}",
        draw_grad_cam(
            f"{model}, {found.explained.name} ({found.explained.type})", found.examples, found.heat
        ),
    )


def draw_kernels(
    name: str, before: Tensor, after: Tensor, *, channel: str, most: int, colors: str
) -> Figure:
    """Draw a layer's kernels before and after training, at the same places, on one scale.

    Args:
        name: the layer, for the title.
        before: (out, in, h, w), the initial weight.
        after: (out, in, h, w), the trained weight.
        channel: first, or strongest: of each kernel, the input channel of largest norm after
            training.
        most: kernels drawn at the most.
        colors: diverging or grey.
    """
    kernels, inputs = after.shape[:2]
    drawn = torch.arange(min(most, kernels))
    picked = torch.zeros_like(drawn)
    labels = [str(kernel) for kernel in drawn.tolist()]
    said = []
    if inputs > 1 and channel == "first":
        said.append(f"input channel 0 of {inputs}")
    elif inputs > 1:
        picked = strongest_channels(after)[drawn]
        arrow = "\N{LEFTWARDS ARROW}"
        labels = [f"{label}{arrow}{source}" for label, source in zip(labels, picked, strict=True)]
        said.append(f"each kernel's strongest of {inputs} input channels (kernel{arrow}channel)")
    moved, cosine = change(before, after)
    said.append(f"training moved the layer by {moved:.0%} of its norm (cosine {cosine:.2f})")
    return draw_panels(
        f"{name}: weight {tuple(after.shape)}, {_count(len(drawn), kernels, 'kernels')}",
        "; ".join(said),
        {"before training": before[drawn, picked], "after training": after[drawn, picked]},
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
    most: int,
    colors: str,
) -> Figure:
    """Draw what a convolution and the layers after it make of an image, on one scale.

    Args:
        name: the convolution, for the title.
        maps: (C, h, w) of each layer, by the panel's title.
        example: the image, drawn beside them with the network's answer.
        dead: (C,) bool, the channels to mark; None where no activation follows.
        dead_images: how many images `dead` was found with.
        most: channels drawn at the most.
        colors: diverging or grey.
    """
    channels = len(next(iter(maps.values())))
    drawn = min(most, channels)
    said, marked = "no activation follows", []
    if dead is not None:
        marked = dead[:drawn].nonzero().flatten().tolist()
        said = (
            f"{int(dead.sum())} dead{', framed in red' if dead.any() else ''}: "
            f"zero after the activation for all {dead_images:,} test images"
        )
    return draw_panels(
        f"{name}: {_count(drawn, channels, 'channels')}",
        said,
        {title: tensor[:drawn] for title, tensor in maps.items()},
        labels=[str(channel) for channel in range(drawn)],
        colors=colors,
        example=example,
        marked=marked,
    )


def draw_grad_cam(name: str, examples: Sequence[Example], heat: Tensor) -> Figure:
    """Draw each image, and over it how much each place speaks for the predicted class.

    Args:
        name: whose maps were read, for the title.
        examples: the images and the network's answers.
        heat: (N, h, w), from 0 to 1.
    """
    side, gap, columns = 1.8, 0.05, min(len(examples), 4)
    rows = math.ceil(len(examples) / columns)
    across, up = 2 * side + gap + 2 * MARGIN, 2 * LINE + side + MARGIN
    width = max(columns * across + BAR + 4 * MARGIN, 6.0)
    figure = make_figure(
        width,
        HEADING + rows * up,
        f"{name}: Grad-CAM, {heat.shape[1]} x {heat.shape[2]}",
        "where the network finds the class it predicts; of each image, 1 is the strongest place",
    )
    size = examples[0].pixels.shape[-1] - 0.5
    for number, (example, warmth) in enumerate(zip(examples, heat, strict=True)):
        left = MARGIN + number % columns * across
        bottom = MARGIN + (rows - 1 - number // columns) * up
        draw_image(place(figure, left, bottom, side, side), example)
        axes = place(figure, left + side + gap, bottom, side, side)
        axes.imshow(example.pixels[0].numpy(), cmap="gray", vmin=0, vmax=255)
        picture = axes.imshow(
            warmth.numpy(),
            cmap="inferno",
            vmin=0,
            vmax=1,
            alpha=0.65,
            interpolation="bilinear",
            extent=(-0.5, size, size, -0.5),
        )
    draw_bar(figure, picture, MARGIN + columns * across, MARGIN, rows * up - 2 * LINE - MARGIN)
    return figure


def save(pictures: Iterable[tuple[str, Figure]], folder: Path, log: Path) -> None:
    """Write each figure, by its path below `folder`, as a PNG, and to TensorBoard under `log`."""
    shutil.rmtree(log, ignore_errors=True)
    writer = FileWriter(str(log))
    for name, figure in pictures:
        content = io.BytesIO()
        # The name of the software that wrote it holds a version: nothing of the picture.
        figure.savefig(content, format="png", metadata={"Software": None})
        with written_atomically(folder / f"{name}.png") as unfinished:
            unfinished.write_bytes(content.getvalue())
        width, height = figure.canvas.get_width_height()
        image = Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=content.getvalue()
        )
        writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]))
    writer.close()


def _count(drawn: int, of: int, what: str) -> str:
    return f"{of} {what}" if drawn == of else f"the first {drawn} of {of} {what}"


def _describe(layer: MapLayer) -> str:
    title = f"{layer.name} ({layer.type}): {layer.shape}"
    if layer.receptive_field is None:
        return title
    high, wide = layer.receptive_field
    return f"{title}, sees {high} x {wide} pixels"
