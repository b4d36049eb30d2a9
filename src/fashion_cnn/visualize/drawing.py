"""Draw every picture of a network, and save them as PNG files."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import FileWriter

from fashion_cnn.base.files import written_atomically
from fashion_cnn.base.params import ExportImages
from fashion_cnn.visualize.extraction import MapLayer
from fashion_cnn.visualize.figures import draw_feature_maps, draw_grad_cam, draw_kernels
from fashion_cnn.visualize.inspection import Findings

# Of the event file, which lies beside the training's: one run for a model.
SUFFIX = ".images"


def draw_all(
    model: str, findings: Findings, settings: ExportImages
) -> Iterator[tuple[str, Figure]]:
    """Yield every picture of a network with its path in the folder of plots, without suffix."""
    for name, (before, after) in findings.kernels.items():
        yield (
            f"kernels/{model}/{name}",
            draw_kernels(
                f"{model}, {name}",
                before,
                after,
                channel=settings.kernel_channel,
                max_kernels=settings.max_kernels,
                colors=settings.kernel_colors,
            ),
        )
    for position, example in enumerate(findings.examples):
        for name, layers in findings.maps.items():
            maps = {
                describe(layer, findings.image_size): output[position] for layer, output in layers
            }
            yield (
                f"feature_maps/{model}/{example.index}/{name}",
                draw_feature_maps(
                    f"{model}, {name}",
                    maps,
                    example,
                    dead=findings.dead.get(name),
                    dead_images=findings.dead_images,
                    max_channels=settings.max_maps,
                    colors=settings.map_colors,
                ),
            )
    explained = f"{model}, {findings.explained.name} ({findings.explained.type})"
    yield f"grad_cam/{model}", draw_grad_cam(explained, findings.examples, findings.heat)


def save(pictures: Iterable[tuple[str, Figure]], folder: Path, log: Path) -> None:
    """Write each figure as a PNG at its path in `folder`, and to TensorBoard's run in `log`."""
    for path in log.glob(f"events.*{SUFFIX}"):
        path.unlink()
    writer = FileWriter(str(log), filename_suffix=SUFFIX)
    for name, figure in pictures:
        content = io.BytesIO()
        # matplotlib's version in the metadata would change the bytes, but not the picture.
        figure.savefig(content, format="png", metadata={"Software": None})
        with written_atomically(folder / f"{name}.png") as unfinished:
            unfinished.write_bytes(content.getvalue())
        width, height = figure.canvas.get_width_height()
        image = Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=content.getvalue()
        )
        writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]))
    writer.close()


def describe(layer: MapLayer, image_size: int) -> str:
    """Return a layer's name, type and shape, and how much of the image one of its units sees."""
    title = f"{layer.name} ({layer.type}): {layer.shape}"
    if layer.receptive_field is None:
        return title
    height, width = layer.receptive_field
    whole = min(height, width) >= image_size
    return f"{title}, sees " + ("the whole image" if whole else f"{height} x {width} pixels")
