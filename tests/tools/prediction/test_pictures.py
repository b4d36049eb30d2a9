"""Picture files against the data set's own images, and files that are not pictures."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset import images as dataset
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.prediction.pictures import Background

NO_PICTURE = "not a PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC picture"


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
    image.save(path, **({"compress_level": 1} if path.suffix == ".png" else {}) | options)
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
            seen = pictures.read(save(path, same))
            assert np.array_equal(seen.pixels, image), same.mode
            assert seen.note is None
        assert np.array_equal(pictures.read(save(path, inverse), "dark").pixels, 255 - image)
        assert np.array_equal(pictures.read(path, "light").pixels, image)


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
    read = pictures.read(save(tmp_path / "picture.png", change(Image.fromarray(drawing())))).pixels
    # 60 x 40 pixels of clothing become 28 x 19, in rows 5 to 23.
    assert np.flatnonzero(read.any(axis=1)).tolist() == list(range(4, 23))
    assert read[13, :13].tolist() == pytest.approx([120] * 13, abs=1)
    assert read[13, 15:].tolist() == pytest.approx([200] * 13, abs=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("background", ["auto", "light"])
def test_jpeg_of_any_kind_and_size(mode: str, background: Background, tmp_path: Path) -> None:
    light = Image.fromarray(255 - drawing(1800, 1200)).convert(mode)
    read = pictures.read(save(tmp_path / "picture.jpg", light, quality=90), background).pixels
    assert read[13, :13].tolist() == pytest.approx([120] * 13, abs=6)
    assert read[13, 15:].tolist() == pytest.approx([200] * 13, abs=6)
    assert read[:4].max() < 10


def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6  # the camera was turned: rotate clockwise to show
    plain = save(tmp_path / "plain.png", Image.fromarray(np.rot90(drawing())))
    turned = save(tmp_path / "turned.png", Image.fromarray(np.rot90(drawing(), 2)), exif=exif)
    assert not np.array_equal(np.rot90(drawing(), 2), drawing())
    assert np.array_equal(pictures.read(turned).pixels, pictures.read(plain).pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 5), (28, 28), (300, 200)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_picture_with_nothing_in_it_says_so(
    size: tuple[int, int], level: int, tmp_path: Path
) -> None:
    for picture in (Image.new("L", size, level), Image.new("RGBA", size, (level, 9, 9, 0))):
        read = pictures.read(save(tmp_path / "picture.png", picture))
        assert read.pixels.shape == (28, 28)
        assert read.pixels.dtype == np.uint8
        assert len(np.unique(read.pixels)) == 1
        assert read.note == "nothing to see in it"


def shirt(side: int = 400, level: int = 60) -> np.ndarray:
    """Return a drawn shirt with a lighter square, on white: (side, side) float."""
    picture = Image.new("L", (side, side), 255)
    outline = "30,22 43,20 50,24 57,20 70,22 85,40 75,47 70,40 70,82 30,82 30,40 25,47 15,40"
    corners = [[int(at) * side / 100 for at in corner.split(",")] for corner in outline.split()]
    draw = ImageDraw.Draw(picture)
    draw.polygon([(x, y) for x, y in corners], fill=level)
    draw.rectangle([0.42 * side, 0.45 * side, 0.58 * side, 0.6 * side], fill=level + 60)
    return np.asarray(picture).astype(float)


def photographs(side: int) -> dict[str, np.ndarray]:
    """Return what a camera, a lamp or a table make of a shirt, by what they do."""
    clean, random = shirt(side), np.random.default_rng(0)
    y, x = np.meshgrid(*2 * [np.linspace(0, 1, side)], indexing="ij")
    made: dict[str, np.ndarray] = {}
    for name, far in {"right": x, "up": 1 - y, "corner": (x + y) / 2, "middle": 2 - 4 * x}.items():
        falloff = far if name != "middle" else ((2 * x - 1) ** 2 + (2 * y - 1) ** 2) / 2
        made |= {f"light, {share}, {name}": clean * (1 - share * falloff) for share in (0.1, 0.3)}
    inside = {
        "half": x > 0.5,
        "corner": x + y > 1.4,
        "stripe": abs(x - 0.3) < 0.08,
        "foot": y > 0.6,
    }
    for share in (0.07, 0.15):
        made |= {f"shadow, {share}, {k}": clean * (1 - share * v) for k, v in inside.items()}
    made |= {f"noise, {sd}": clean + random.normal(0, sd, clean.shape) for sd in (4, 6, 12)}
    made |= {f"page, {at}": np.where(clean < 255, clean, at) for at in (100, 120, 140, 200)}
    made["cloth"] = np.where(clean < 255, clean, 235 + 10 * np.sin(x * 250) * np.sin(y * 250))
    made["speck"] = clean.copy()
    made["speck"][2:4, 2:4] = 0
    made["specks"] = clean.copy()
    for row, column in random.integers(0, side - 2, (30, 2)):
        made["specks"][row : row + 2, column : column + 2] = 40
    return made


@pytest.mark.parametrize("side", [150, 400, 900])
def test_a_photograph_comes_close_to_the_clean_picture(side: int, tmp_path: Path) -> None:
    def seen(pixels: np.ndarray, **options: Any) -> np.ndarray:
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        read = pictures.read(save(tmp_path / "picture.png", picture, **options))
        assert read.note is None
        return read.pixels.astype(float)

    clean = seen(shirt(side))
    # The shirt fills the width, as in the data set.
    assert clean[5:8, 12:16] == pytest.approx(195, abs=1)
    assert clean.max(axis=0).min() > 40
    differences = {k: abs(seen(v) - clean).mean() for k, v in photographs(side).items()}
    assert {k: v for k, v in differences.items() if v > 15} == {}
    sixteen = Image.fromarray((shirt(side) * 257).astype(np.uint16))
    read = pictures.read(save(tmp_path / "16.png", sixteen, transparency=255 * 257))
    assert abs(read.pixels - clean).mean() < 1


def test_several_things_are_said_and_the_largest_is_taken(tmp_path: Path) -> None:
    page = np.full((400, 900), 255.0)
    page[:, :400] = shirt()
    alone = pictures.read(save(tmp_path / "a.png", Image.fromarray(page.astype(np.uint8))))
    page[100:300, 600:700] = 30
    both = pictures.read(save(tmp_path / "b.png", Image.fromarray(page.astype(np.uint8))))
    assert both.note == "2 things in it, the largest was taken"
    assert np.array_equal(both.pixels, alone.pixels)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF", "HEIF"])
def test_other_kinds_of_pictures_and_their_first_frames(kind: str, tmp_path: Path) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    first, second = (Image.fromarray(each.astype(np.uint8)) for each in (shirt(), shirt()[::-1]))
    more = {"save_all": True, "append_images": [second]} if kind != "BMP" else {}
    quality = {"lossless": True} if kind == "WEBP" else {}
    png = pictures.read(save(tmp_path / "picture.png", first)).pixels.astype(float)
    path = tmp_path / "picture"
    seen = pictures.read(save(path, first.convert("RGB"), format=kind, **more, **quality)).pixels
    assert abs(seen - png).mean() < 2


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_a_tiff_of_floats(top: float, tmp_path: Path) -> None:
    floats = Image.fromarray((shirt() / 255 * top).astype(np.float32))
    seen = pictures.read(save(tmp_path / "picture.tiff", floats)).pixels.astype(float)
    png = pictures.read(
        save(tmp_path / "picture.png", Image.fromarray(shirt().astype(np.uint8)))
    ).pixels
    assert abs(seen - png).mean() < 1


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
    (tmp_path / "picture.svg").write_text("<svg/>")
    assert reason(tmp_path / "cut.png").startswith("damaged picture (")
    for name in ("empty.png", "text.jpg", "picture.svg"):
        assert reason(tmp_path / name) == NO_PICTURE
    assert reason(tmp_path / "folder") == "no file in this folder"
    assert reason(tmp_path / "pipe.png") == "not a file"
    for name in ("nothing.png", "null\0.png"):
        assert reason(tmp_path / name) == "no such file"
    assert "too long" in reason(tmp_path / ("x" * 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert reason(tmp_path / "whole.png") == "more than 1,000 pixels"


def test_heic_without_its_package_says_which_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_formats", lambda: pictures.FORMATS)
    (tmp_path / "picture.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(InputError, match="pip install pillow-heif"):
        pictures.read(tmp_path / "picture.HEIC")


def test_a_picture_cut_at_any_byte_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    outcomes: set[object] = set()
    for kind in ("PNG", "JPEG"):
        whole = save(path, Image.fromarray(drawing()), format=kind).read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            try:
                outcomes.add(pictures.read(path).pixels.shape)
            except InputError as error:
                outcomes.add(str(error).split(" (", maxsplit=1)[0])
    assert outcomes - {(28, 28)} == {"damaged picture", NO_PICTURE}


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
