"""A picture of a data set of one's own is seen by `predict` as it was seen in training."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset, Pictures
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Transform
from fashion_cnn.dataset.kind import Kind
from fashion_cnn.models import lenet
from fashion_cnn.sources import picture_folder
from fashion_cnn.tools.prediction import many, pictures, predicting
from fashion_cnn.trained.weights import Trained
from tests.made_images import draw_folder


def test_many_are_read_by_processes_as_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    for number in range(10):
        pixels = random.integers(0, 256, (40, 30 + number), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "none.png").write_text("none")
    files = sorted(tmp_path.iterdir())
    read = partial(pictures.read, background="auto")
    few = many.read_all(read, files)
    monkeypatch.setattr(many, "MANY", 1)
    for one, other in zip(few, many.read_all(read, files), strict=True):
        if isinstance(one, InputError):
            assert str(one) == str(other) == "not a PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC picture"
        else:
            assert isinstance(other, pictures.Picture)
            np.testing.assert_array_equal(one.pixels, other.pixels)
            assert one.note == other.note
    assert sum(isinstance(each, InputError) for each in few) == 1
    with pytest.raises(InputError, match="a process that reads pictures was killed"):
        many.read_all(killed, files)
    many._processes.cache_clear()


def killed(_: Path) -> pictures.Picture:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("fit", ["fit", "crop"])
def test_what_is_predicted_is_what_was_trained_on(tmp_path: Path, colour: bool, fit: str) -> None:
    folder = draw_folder(tmp_path / "shapes", 3, 5, colour=colour)
    settings = Dataset(image_size=20, pictures=Pictures(fit=fit, background="white"))  # type: ignore[arg-type]
    classes, found = picture_folder.read(folder, settings)
    kind = Kind(classes, 3 if colour else 1, (20, 20))
    network = lenet.build(image_size=28, **kind.architecture())
    trained = Trained(network, Transform(28, 0.5, 0.5), {}, {}, kind, settings.pictures)
    files = [folder / name for name in found["train"].files]
    for picture, image in zip(
        predicting.read_all(trained, files, "light"), found["train"].images, strict=True
    ):
        assert not isinstance(picture, InputError)
        np.testing.assert_array_equal(picture.pixels, image)
    skipped = []
    answers = list(
        predicting.predictions(
            trained,
            [*files, tmp_path / "absent.png", folder],
            background="auto",
            compute=prepare("cpu", "float32"),
            batch_size=4,
            skip=lambda file, error: skipped.append(f"{file.name}: {error}"),
        )
    )
    assert skipped == ["absent.png: no such file", "shapes: no file in this folder"]
    images = torch.from_numpy(found["train"].images)
    pixels = images.permute(0, 3, 1, 2) if colour else images.unsqueeze(1)
    expected = network(trained.transform(pixels)).argmax(dim=1).tolist()
    assert [answer.ranked[0][0] for answer in answers] == [classes[label] for label in expected]
