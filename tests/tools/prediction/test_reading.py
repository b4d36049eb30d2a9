"""A picture of a data set of one's own is seen by `predict` as it was seen in training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset, Pictures
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Transform
from fashion_cnn.dataset.kind import Kind
from fashion_cnn.models import lenet
from fashion_cnn.sources import picture_folder
from fashion_cnn.tools.prediction import predicting, reading
from fashion_cnn.trained.weights import Trained
from tests.made_images import draw_folder


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
        reading.read_all(trained, files, "light"), found["train"].images, strict=True
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
