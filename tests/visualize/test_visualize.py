"""Pictures say what they show, use one scale, fit on the page and repeat their bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from fashion_cnn.visualize import drawing, figures
from fashion_cnn.visualize.extraction import MapLayer
from fashion_cnn.visualize.inspection import Example
from fashion_cnn.visualize.panels import arrange

EXAMPLE = Example(17, torch.zeros(1, 28, 28, dtype=torch.uint8), "Coat", "Shirt", 0.454)
WRONG = Example(9999, torch.zeros(1, 28, 28, dtype=torch.uint8), "T-shirt/top", "Ankle boot", 1.0)


def kernels(before: Tensor, after: Tensor, channel: str = "strongest", most: int = 64) -> Figure:
    return figures.draw_kernels(
        "vgg, conv", before, after, channel=channel, max_kernels=most, colors="diverging"
    )


def maps(*tensors: Tensor, dead: Tensor | None = None, colors: str = "diverging") -> Figure:
    return figures.draw_feature_maps(
        "vgg11, features.11",
        {f"features.{11 + n} (MaxPool2d): {tuple(t.shape)}": t for n, t in enumerate(tensors)},
        EXAMPLE,
        dead=dead,
        dead_images=1000,
        max_channels=64,
        colors=colors,
    )


def texts_of(figure: Figure) -> list[str]:
    """Return the title, the line below it, and the titles of the parts."""
    titles = [axes.get_title(where) for axes in figure.axes for where in ("left", "center")]
    return [text.get_text() for text in figure.texts] + [title for title in titles if title]


def drawn(figure: Figure, panel: int) -> set[float]:
    """Return the values that the figure's picture of this index shows, an example included."""
    panels = [axes.images[0] for axes in figure.axes if axes.images]
    values: np.ndarray = np.ma.asarray(panels[panel].get_array()).compressed()
    return set(values[~np.isnan(values)].tolist())


def test_kernels_say_their_shape_their_number_and_their_change() -> None:
    before = torch.zeros(20, 1, 5, 5)
    before[:, 0, 0] = 1
    texts = texts_of(kernels(before, 2 * before, most=16))
    assert texts[:2] == [
        "vgg, conv: weight (20, 1, 5, 5), the first 16 of 20 kernels",
        "training moved the layer by 100% of its norm (cosine 1.00)",
    ]
    assert {"before training", "after training"} < set(texts)
    assert texts_of(kernels(before, before))[0] == "vgg, conv: weight (20, 1, 5, 5), 20 kernels"


def test_kernels_that_look_alike_have_their_difference_beside_them_enlarged() -> None:
    before = torch.ones(4, 1, 3, 3)
    after = before.clone()
    after[:, 0, 0] += 0.25
    figure = kernels(before, after)
    # 1.25 / 0.25 = 5
    assert "difference, 5 times" in texts_of(figure)
    assert drawn(figure, 2) == {0.0, 1.25}
    many = torch.ones(20, 1, 3, 3)
    few = many + 0.1
    few[0, 0, 0, 0] = 1.5
    figure = kernels(many, few)
    # One value that moved far hides no other: it is drawn at the end of the scale.
    assert "difference, 14 times" in texts_of(figure)
    assert sorted(drawn(figure, 2)) == pytest.approx([1.4, 1.5])
    turned = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    for other in (turned, before):
        assert not any("difference" in text for text in texts_of(kernels(before, other)))


def test_a_field_of_the_images_size_is_the_whole_image() -> None:
    layer = MapLayer("conv", "convolution", "Conv2d", (8, 2, 2), (28, 30))
    assert drawing.describe(layer, 28) == "conv (Conv2d): (8, 2, 2), sees the whole image"
    assert drawing.describe(layer, 29) == "conv (Conv2d): (8, 2, 2), sees 28 x 30 pixels"


def test_the_strongest_channel_after_training_is_named_and_drawn_in_both() -> None:
    before = torch.arange(12.0).view(1, 3, 2, 2)
    after = torch.zeros(1, 3, 2, 2)
    after[0, 1] = -20.0
    figure = kernels(before, after)
    assert texts_of(figure)[1].startswith(
        "each kernel's strongest of 3 input channels (kernel←channel)"
    )
    assert drawn(figure, 0) == {4.0, 5.0, 6.0, 7.0}
    assert drawn(figure, 1) == {-20.0}
    first = kernels(before, after, channel="first")
    assert texts_of(first)[1].startswith("input channel 0 of 3; ")
    assert (drawn(first, 0), drawn(first, 1)) == ({0.0, 1.0, 2.0, 3.0}, {0.0})


def test_a_layer_has_one_scale_centred_on_zero_before_and_after() -> None:
    figure = kernels(torch.full((5, 1, 2, 2), 0.5), torch.linspace(-1, 3, 20).view(5, 1, 2, 2))
    assert [a.images[0].get_clim() for a in figure.axes if a.images] == [(-3, 3), (-3, 3)]
    *_, bar = figure.axes
    assert bar.get_ylim() == (-3, 3)


def test_maps_say_how_many_channels_there_are_and_which_are_dead() -> None:
    dead = torch.zeros(512, dtype=torch.bool)
    dead[[3, 500]] = True
    tensor = torch.rand(512, 4, 4)
    figure = maps(tensor - 0.5, tensor, dead=dead)
    texts = texts_of(figure)
    assert texts[:2] == [
        "vgg11, features.11: the first 64 of 512 channels",
        "2 dead, framed in red: zero after the activation for all 1,000 test images",
    ]
    assert "test image 17: Coat\npredicted Shirt, 45.4%" in texts
    assert "features.12 (MaxPool2d): (512, 4, 4)" in texts
    # Of the dead ones, only channel 3 is among the first 64: one frame in each of the two panels.
    frames = [patch for axes in figure.axes[1:3] for patch in axes.patches]
    assert [patch.axes for patch in frames] == figure.axes[1:3]
    for frame in frames:
        assert isinstance(frame, Rectangle)
        assert frame.get_xy() == arrange(tensor[:64]).corners[3]
    assert texts_of(maps(tensor, dead=dead & False))[1].startswith("0 dead: zero after")


def test_maps_share_a_scale_and_grey_spans_all_values() -> None:
    signed, positive = torch.linspace(-4, 2, 16).view(4, 2, 2), torch.ones(4, 1, 1)
    scales = [a.images[0].get_clim() for a in maps(signed, positive).axes[1:3]]
    assert scales == [(-4, 4), (-4, 4)]
    grey = maps(signed, positive, colors="grey").axes[1].images[0]
    assert (grey.get_clim(), grey.get_cmap().name) == ((-4, 2), "gray")


@pytest.mark.parametrize("count", [1, 2, 5, 6, 16, 64])
def test_tiles_form_nearly_a_square_each_at_its_corner(count: int) -> None:
    tiles = torch.arange(count * 12.0).view(count, 3, 4)
    sheet = arrange(tiles)
    width, height = sheet.tile_size
    columns = len({left for left, _ in sheet.corners})
    rows = len({top for _, top in sheet.corners})
    assert columns - 1 <= rows <= columns
    assert (rows - 1) * columns < count <= rows * columns
    for tile, (left, top) in zip(tiles, sheet.corners, strict=True):
        y, x = round(top + 0.5), round(left + 0.5)
        shown = sheet.pixels[y : y + height, x : x + width]
        assert torch.equal(shown[:: height // 3, :: width // 4], tile)
    assert sheet.pixels.isnan().sum() == sheet.pixels.numel() - count * width * height


@pytest.mark.parametrize(
    "figure",
    [
        kernels(torch.randn(512, 512, 3, 3), torch.randn(512, 512, 3, 3)),
        kernels(torch.randn(1, 6, 5, 5), torch.randn(1, 6, 5, 5)),
        maps(torch.randn(512, 2, 2), dead=torch.ones(512, dtype=torch.bool)),
        maps(torch.zeros(1, 4, 4)),
        figures.draw_grad_cam("vgg11, features.14 (ReLU)", [WRONG], torch.rand(1, 4, 4)),
        figures.draw_grad_cam("lenet, relu2 (ReLU)", [EXAMPLE] * 10, torch.rand(10, 8, 8)),
    ],
    ids=["kernels", "a kernel", "maps", "a map", "an image", "ten images"],
)
def test_nothing_is_cut_off(figure: Figure) -> None:
    FigureCanvasAgg(figure)
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_saving_repeats_its_bytes_and_logs_to_tensorboard(tmp_path: Path) -> None:
    weight = torch.randn(6, 1, 5, 5)
    contents = []
    for _ in range(2):
        pictures = iter([("kernels/lenet/features.0", kernels(weight, weight))])
        drawing.save(pictures, tmp_path / "plots", tmp_path / "runs")
        contents.append((tmp_path / "plots/kernels/lenet/features.0.png").read_bytes())
    assert contents[0] == contents[1]
    log = EventAccumulator(str(tmp_path / "runs")).Reload()
    (event,) = log.Images("kernels/lenet/features.0")
    assert event.encoded_image_string == contents[0]
    with Image.open(tmp_path / "plots/kernels/lenet/features.0.png") as picture:
        assert picture.size == (event.width, event.height)
        assert "Software" not in picture.info
