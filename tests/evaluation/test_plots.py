"""Figures are titled with what they show, show the real pixels, and repeat their bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fashion_cnn.dataset.images import Images
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.evaluation import measures, plots
from fashion_cnn.training.prediction_figure import draw_predictions


def images_of(labels: list[int]) -> Images:
    generator = torch.Generator().manual_seed(0)
    shape = (len(labels), 1, 28, 28)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.tensor(labels))


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """Four images of two classes: only the second prediction is right, the last most confident."""
    images = images_of([0, 1, 1, 1])
    predicted, logits = torch.tensor([1, 1, 2, 2]), torch.tensor([2.0, 9.0, 3.0, 4.0])
    return plots.draw("lenet", torch.eye(10)[predicted] * logits[:, None], images)


def test_a_gallery_shows_the_mistakes_with_their_own_pixels(figures: dict[str, Figure]) -> None:
    images = images_of([0, 1, 1, 1])
    for name in ("confident_mistakes", "likely_mislabelled"):
        axes = figures[name].axes
        for picture, index in zip(axes, [3, 2, 0], strict=True):
            np.testing.assert_array_equal(picture.images[0].get_array(), images.pixels[index, 0])
        top = np.exp(4) / (np.exp(4) + 9)
        assert axes[0].get_title() == (
            f"test image 3\nlabel: Trouser, {100 / (np.exp(4) + 9):.2g}%\n"
            f"predicted: Pullover, {100 * top:.2f}%"
        )


def test_without_mistakes_the_gallery_says_so() -> None:
    logits = torch.eye(10)
    figure = plots.draw("lenet", logits, images_of([*range(10)]))["confident_mistakes"]
    assert not figure.axes
    assert "every one of 10 images is answered right" in [text.get_text() for text in figure.texts]


def test_confusion_is_counted_by_actual_then_predicted_class(figures: dict[str, Figure]) -> None:
    expected = np.zeros((10, 10))
    expected[0, 1], expected[1, 1], expected[1, 2] = 1, 1, 2
    counts = figures["confusion_counts"].axes[0]
    np.testing.assert_array_equal(counts.images[0].get_array(), expected)
    assert [text.get_text() for text in counts.texts] == ["1", "1", "2"]
    assert [label.get_text() for label in counts.get_yticklabels()] == list(FASHION_MNIST.classes)
    shares = figures["confusion_normalized"].axes[0]
    assert [text.get_text() for text in shares.texts] == ["100", "33", "67"]


def test_percents_round_a_half_up_and_leave_an_empty_row_at_0() -> None:
    counts = np.array([[975, 25, 0], [15, 985, 0], [0, 0, 0], [4, 996, 0]])
    expected = [[98, 3, 0], [2, 99, 0], [0, 0, 0], [0, 100, 0]]
    assert measures.percents(counts).tolist() == expected


def test_bars_are_as_high_as_their_numbers(figures: dict[str, Figure]) -> None:
    widths = [bar.get_width() for bar in rectangles(figures["classes"].axes[0])]
    trousers = [widths[1], widths[11], widths[21]]  # 1 of 2 predictions, 1 of 3 images right
    assert trousers == pytest.approx([1 / 2, 1 / 3, 2 / 5], abs=1e-6)
    below = rectangles(figures["reliability"].axes[1])
    assert sum(bar.get_height() for bar in below) == 4


def test_saving_replaces_the_folder_and_repeats_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "stale.png").touch()
    contents = []
    for _ in range(2):
        figures = plots.draw("vgg", torch.eye(10)[:3], images_of([0, 1, 5]))
        plots.save(figures, tmp_path / "plots")
        assert {path.stem for path in (tmp_path / "plots").iterdir()} == set(figures)
        contents.append([(tmp_path / f"plots/{name}.png").read_bytes() for name in figures])
    assert contents[0] == contents[1]
    assert all(content.startswith(b"\x89PNG") for content in contents[0])
    assert not any(b"Software" in content or b"atplotlib" in content for content in contents[0])


def test_names_of_classes_are_no_formulas(tmp_path: Path) -> None:
    names = ("$\\foo$", "$5 to $10", "a_b, <c>")
    images = replace(images_of([0, 1, 2, 0]), classes=names)
    figures = plots.draw("lenet", torch.eye(3)[[1, 1, 2, 2]], images)
    plots.save(figures, tmp_path / "figures")
    ticks = figures["confusion_counts"].axes[0].get_yticklabels()
    assert [tick.get_text() for tick in ticks] == list(names)
    draw_predictions(images, torch.eye(3)[[1, 1, 2, 2]]).savefig(tmp_path / "predictions.png")
