"""A folder of pictures becomes a data set: names, colours, shapes, splits; what can't be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset, Pictures
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.kind import Kind, read_kind
from fashion_cnn.sources import overview, picture_folder, pictures
from fashion_cnn.sources.own_data import adopt
from tests.made_images import draw_folder


def settings(**changes: object) -> Dataset:
    return Dataset(pictures=Pictures(**changes))  # type: ignore[arg-type]


def save(
    path: Path, level: object = 200, size: tuple[int, int] = (20, 20), mode: str = "L"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level).save(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", [False, True])
def test_one_level_is_split_by_class_and_seed(tmp_path: Path, colour: bool) -> None:
    folder = draw_folder(tmp_path / "own" / "shapes", 3, 10, colour=colour)
    found = adopt(folder, folder.parent, tmp_path / "data", settings())
    kind = Kind(("filled cross", "filled disc", "filled square"), 3 if colour else 1, (28, 28))
    assert read_kind(tmp_path / "data") == (kind, 24)
    for subset, name, count in (("train", "train", 8), ("test", "t10k", 2)):
        images = dataset.read(tmp_path / "data", name)  # type: ignore[arg-type]
        assert images.kind == kind
        assert images.labels.bincount().tolist() == [count] * 3
        named = [kind.classes.index(file.partition("/")[0]) for file in found[subset].files]
        assert named == images.labels.tolist()
    train, test = ({*found[subset].files} for subset in picture_folder.SUBSETS)
    assert len(train | test) == 30
    _, again = picture_folder.read(folder, settings())
    _, other = picture_folder.read(folder, settings(seed=1))
    assert {*again["test"].files} == test != {*other["test"].files}


def test_two_levels_numbers_as_names_any_depth_and_every_format(tmp_path: Path) -> None:
    suffixes = ("png", "jpg", "webp", "gif", "bmp", "tiff")
    for subset in ("train", "test"):
        for name in ("2", "10"):
            for suffix in suffixes:
                save(tmp_path / subset / name / "deep" / f"{subset}.{suffix}", 100)
            save(tmp_path / subset / name / ".hidden.png")
    classes, found = picture_folder.read(tmp_path, settings())
    assert classes == ("2", "10")
    assert {subset: len(each.files) for subset, each in found.items()} == {"train": 12, "test": 12}
    assert abs(found["train"].images.astype(int) - 100).max() <= 3


@pytest.mark.parametrize(
    ("changes", "column", "corner"),
    [
        ({}, 0, 200),
        ({"background": "white"}, 255, 200),
        ({"background": "edge"}, 200, 200),
        ({"fit": "crop"}, 200, 200),
    ],
)
def test_a_shape_becomes_a_square_by_the_rule(
    tmp_path: Path, changes: dict[str, str], column: int, corner: int
) -> None:
    save(tmp_path / "tall.png", size=(20, 40))
    image, shape = pictures.read(tmp_path / "tall.png", (28, 28), Pictures(**changes))  # type: ignore[arg-type]
    assert (image.shape, shape) == ((28, 28, 3), (20, 40))
    assert (image[:, 0] == column).all()
    assert (image[:, 14] == corner).all()


def test_transparency_sixteen_bits_and_the_cameras_turn(tmp_path: Path) -> None:
    save(tmp_path / "clear.png", (255, 0, 0, 0), mode="RGBA")
    Image.fromarray(np.full((20, 20), 32768, np.uint16)).save(tmp_path / "deep.png")
    turned = Image.new("RGB", (40, 20))
    turned.paste((255, 255, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: what is left is shown at the top
    turned.save(tmp_path / "turned.jpg", exif=exif)
    small = (4, 4)
    assert (pictures.read(tmp_path / "clear.png", small, Pictures())[0] == 0).all()
    white = Pictures(background="white")
    assert (pictures.read(tmp_path / "clear.png", small, white)[0] == 255).all()
    assert (pictures.read(tmp_path / "deep.png", small, Pictures())[0] == 127).all()
    upright, _ = pictures.read(tmp_path / "turned.jpg", (40, 20), Pictures())
    assert upright[5].min() > 240
    assert upright[35].max() < 15


def test_what_cannot_be_read_is_named_counted_and_allowed_by_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_folder(tmp_path / "own" / "shapes", 2, 10, colour=False)
    (folder / "filled disc" / "notes.txt").write_text("no picture")
    (folder / "filled cross" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "filled cross" / "empty.jpg").touch()
    with pytest.raises(InputError) as error:
        adopt(folder, folder.parent, tmp_path / "data", settings(unreadable=2))
    assert str(error.value).startswith("3 file(s) can't be read, and dataset.pictures.unreadable")
    assert "filled disc/notes.txt: no picture of a known kind" in str(error.value)
    assert not (tmp_path / "data").exists()
    adopt(folder, folder.parent, tmp_path / "data", settings(unreadable=3))
    assert "left out 3 file(s) that can't be read:" in capsys.readouterr().out


def test_what_is_beside_the_classes_and_what_is_lacking_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train/a/1", "train/b/1", "train/c", "test/a/1", "val/a/1"):
        save(tmp_path / f"{name}.png")
    (tmp_path / "train" / "a" / "2.png").symlink_to("nowhere")
    classes, found = picture_folder.read(tmp_path, settings(unreadable=1))
    assert (classes, found["train"].files) == (("a", "b"), ["train/a/1.png", "train/b/1.png"])
    printed = capsys.readouterr().out
    assert f"left out of {tmp_path}, as they are in no class's folder: 'val'\n" in printed
    assert (
        f"left out of {tmp_path / 'train'}, as they are in no class's folder: 'c.png'\n" in printed
    )
    assert "  train/a/2.png: no such file\n" in printed
    assert "warning: no picture to test on of 'b': the accuracy says nothing of it\n" in printed


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "expected four IDX files, a folder per class, or train and test .*, got no folder"),
        (("Train/a/1.png", "Train/b/1.png", "Test/a/1.png"), "got 'Test', 'Train'"),
        (("train/a/1.png", "train/b/1.png"), "got 'train'"),
        (("train/a/1.png", "train/b/x.txt", "test/a/1.png"), "no picture to train on of 'b': add"),
        (("one/1.png", "one/2.png"), "got 1 folders"),
        (("label/1.png", "two/1.png"), "no class may have the name 'label'"),
        (("one/1.png", "two/1.png"), "leaves none to train or none to test: add pictures"),
        (("train/a/1.png", "train/b/1.png", "test/c/1.png"), "classes that train lacks: 'c'"),
        (("train/a/1.png", "train/b/1.png", "test/a/x.txt"), "expected pictures to test, got none"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(
    tmp_path: Path, files: tuple[str, ...], message: str
) -> None:
    for name in files:
        save(tmp_path / name) if name.endswith("png") else _touch(tmp_path / name)
    with pytest.raises(InputError, match=message):
        picture_folder.read(tmp_path, settings(unreadable=9))


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()


def test_the_overview_counts_shows_and_warns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own" / "marks"
    for subset in ("train", "test"):
        for name in ("light", "dark"):
            for number in range(3):
                save(folder / subset / name / f"{number}.png", {"light": 200, "dark": 9}[name])
    draw_folder(folder / "train", 2, 3, colour=True)
    found = adopt(folder, folder.parent, tmp_path / "data", settings())
    overview.write(tmp_path, tmp_path / "data", found)
    printed = capsys.readouterr().out
    assert "warning: 2 images to test on are images to train on too" in printed
    assert "train/light/0.png = train/light/1.png = train/light/2.png = test/light/0.png" in printed
    assert "warning: 12 images are constant: " in printed
    assert "warning: 6 images are near-black: train/dark/0.png; " in printed
    assert "; and 1 more" in printed
    table = (tmp_path / "plots/data/classes.csv").read_text().splitlines()
    assert table == [
        "class,train,test",
        "dark,3,3",
        "filled cross,3,0",
        "filled disc,3,0",
        "light,3,3",
    ]
    with Image.open(tmp_path / "plots/data/images.png") as sheet:
        assert sheet.size == (160 + 16 * 48, 4 * 48)
        assert sheet.getpixel((170, 10)) == (9, 9, 9)
        assert sheet.getpixel((170, 3 * 48 + 10)) == (200, 200, 200)
