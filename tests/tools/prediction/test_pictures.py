"""Picture files against the data set's own images, and files that are not pictures."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset import images as dataset
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.prediction.pictures import Background


@pytest.fixture(scope="module")
def test_images(fashion_mnist: Path) -> np.ndarray:
    """Return all test images, (10000, 28, 28) uint8."""
    return dataset.read(fashion_mnist, "t10k").pixels[:, 0].numpy()


def drawing(width: int = 90, height: int = 60) -> np.ndarray:
    """Return a bright rectangle with a darker left half, on black: (height, width) uint8."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[height // 6 : -(height // 6), width // 6 : -(width // 6)] = 200
    pixels[height // 6 : -(height // 6), width // 6 : width // 2] = 120
    return pixels


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.data
def test_the_background_of_every_test_image_and_of_its_inverse_is_found(
    test_images: np.ndarray,
) -> None:
    levels = [pictures.background_level(Image.fromarray(image)) for image in test_images]
    inverse = [pictures.background_level(Image.fromarray(255 - image)) for image in test_images]
    assert max(levels) < 64
    assert min(inverse) > 191


@pytest.mark.data
def test_a_test_image_comes_back_bit_for_bit(test_images: np.ndarray, tmp_path: Path) -> None:
    # The four with the brightest corners, and four more.
    order = np.argsort(-test_images[:, [0, 0, -1, -1], [0, -1, 0, -1]].astype(int).sum(axis=1))
    for index in (*order[:4], *range(4)):
        image, path = test_images[index], tmp_path / "image.png"
        inverse = Image.fromarray(255 - image)
        for same in (
            Image.fromarray(image),
            Image.fromarray(image).convert("RGB"),
            Image.fromarray(image).convert("RGBA"),
            Image.fromarray(image).convert("LA"),
            Image.fromarray(image).convert("P"),
            Image.fromarray(image.astype(np.uint16) * 257),
            inverse,
            inverse.convert("RGB"),
        ):
            assert np.array_equal(pictures.read(save(path, same)), image), same.mode
        assert np.array_equal(pictures.read(save(path, inverse), "dark"), 255 - image)
        assert np.array_equal(pictures.read(path, "light"), image)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.convert("RGB"),
        lambda image: image.convert("RGB").quantize(16),
        lambda image: Image.fromarray(255 - np.asarray(image)),
        lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
        # Empty rows and columns, however many, are cut off.
        lambda image: _pasted(image, (300, 150), 0),
        lambda image: _pasted(Image.fromarray(255 - np.asarray(image)), (150, 300), 255),
        # Transparent around it, whatever colour lies under that.
        lambda image: _transparent(image, (77, 77, 77)),
        lambda image: _transparent(Image.fromarray(255 - np.asarray(image)), (0, 0, 0)),
    ],
)
def test_size_colours_and_background_do_not_matter(
    change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    read = pictures.read(save(tmp_path / "picture.png", change(Image.fromarray(drawing()))))
    # 60 x 40 pixels of clothing become 28 x 19, in rows 5 to 23.
    assert np.flatnonzero(read.any(axis=1)).tolist() == list(range(4, 23))
    assert read[13, :13].tolist() == pytest.approx([120] * 13, abs=1)
    assert read[13, 15:].tolist() == pytest.approx([200] * 13, abs=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("background", ["auto", "light"])
def test_jpeg_of_any_kind_and_size(mode: str, background: Background, tmp_path: Path) -> None:
    light = Image.fromarray(255 - drawing(1800, 1200)).convert(mode)
    read = pictures.read(save(tmp_path / "picture.jpg", light, quality=90), background)
    assert read[13, :13].tolist() == pytest.approx([120] * 13, abs=6)
    assert read[13, 15:].tolist() == pytest.approx([200] * 13, abs=6)
    assert read[:4].max() < 10


def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6  # the camera was turned: rotate clockwise to show
    plain = save(tmp_path / "plain.png", Image.fromarray(np.rot90(drawing())))
    turned = save(tmp_path / "turned.png", Image.fromarray(np.rot90(drawing(), 2)), exif=exif)
    assert not np.array_equal(np.rot90(drawing(), 2), drawing())
    assert np.array_equal(pictures.read(turned), pictures.read(plain))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 5)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_narrow_or_blank_picture_is_still_a_picture(
    size: tuple[int, int], level: int, tmp_path: Path
) -> None:
    read = pictures.read(save(tmp_path / "picture.png", Image.new("L", size, level)))
    assert read.shape == (28, 28)
    assert read.dtype == np.uint8
    assert (read == (0 if level == 255 else level)).all()


def test_a_file_that_is_no_picture_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason(path: Path) -> str:
        with pytest.raises(InputError) as raised:
            pictures.read(path)
        return str(raised.value)

    whole = save(tmp_path / "whole.png", Image.fromarray(drawing())).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no picture\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    save(tmp_path / "picture.gif", Image.fromarray(drawing()))
    assert reason(tmp_path / "cut.png").startswith("damaged picture (")
    for name in ("empty.png", "text.jpg", "picture.gif"):
        assert reason(tmp_path / name) == "not a PNG or JPEG picture"
    assert reason(tmp_path / "folder") == "no file in this folder"
    for name in ("pipe.png", "nothing.png", "null\0.png"):
        assert reason(tmp_path / name) == "no such file"
    assert "too long" in reason(tmp_path / ("x" * 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert reason(tmp_path / "whole.png") == "more than 1,000 pixels"


def test_a_picture_cut_at_any_byte_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    outcomes: set[object] = set()
    for kind in ("PNG", "JPEG"):
        whole = save(path, Image.fromarray(drawing()), format=kind).read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            try:
                outcomes.add(pictures.read(path).shape)
            except InputError as error:
                outcomes.add(str(error).split(" (", maxsplit=1)[0])
    assert outcomes - {(28, 28)} == {"damaged picture", "not a PNG or JPEG picture"}


def test_a_folder_is_searched_at_any_depth_sorted_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.png", "a/.hidden.png", ".git/x.png", "c.txt", "empty/.keep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    given = [tmp_path / "c.txt", tmp_path, tmp_path / "empty", tmp_path / "nothing"]
    found = [str(path.relative_to(tmp_path)) for path in pictures.find(given)]
    assert found == ["c.txt", "a/z.png", "b.png", "c.txt", "empty", "nothing"]
    # A hidden folder that the user names is searched.
    assert [path.name for path in pictures.find([tmp_path / ".git"])] == ["x.png"]


def _pasted(image: Image.Image, size: tuple[int, int], level: int) -> Image.Image:
    canvas = Image.new("L", size, level)
    canvas.paste(image, (7, 31))
    return canvas


def _transparent(image: Image.Image, under: tuple[int, int, int]) -> Image.Image:
    """Return `image` with its background, the level of its first corner, transparent."""
    level = image.getpixel((0, 0))
    opacity = image.point(lambda value: 255 * (value != level))
    colours = Image.composite(image.convert("RGB"), Image.new("RGB", image.size, under), opacity)
    colours.putalpha(opacity)
    return colours
