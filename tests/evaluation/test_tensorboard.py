"""TensorBoard reads back what the evaluation logged, once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from fashion_cnn.dataset.images import Images
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.evaluation import tensorboard


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_a_curve_per_class_and_every_image_in_the_projector_once(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8, generator=generator)
    images = Images(pixels, torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8]))  # no ankle boot
    logits, features = torch.eye(10)[:9] * 5, torch.randn(7, 120, generator=generator)
    logits[1] = logits[0]
    (tmp_path / "events.out.tfevents.1.of.the.training").touch()
    for _ in range(2):
        tensorboard.write(tmp_path, logits, features, images)
    events = list(tmp_path.glob("events.*"))
    assert len(events) == 2
    log = read(tmp_path)
    tags = {f"precision and recall/{name}" for name in FASHION_MNIST.classes}
    assert tags == set(log.Tags()["tensors"])
    (curve,) = log.Tensors("precision and recall/Trouser")
    true_positives, false_positives, *_ = make_ndarray(curve.tensor_proto)
    # At threshold 0, all 9 images count as trousers, but only one is.
    assert (true_positives[0], false_positives[0]) == (1, 8)

    (folder,) = (tmp_path / "00000").iterdir()
    points = np.loadtxt(folder / "tensors.tsv")
    assert points.shape == (7, 7)  # seven points have at most seven components
    distances = torch.pdist(torch.tensor(points, dtype=torch.float32))
    torch.testing.assert_close(distances, torch.pdist(features), rtol=1e-3, atol=1e-3)
    rows = (folder / "metadata.tsv").read_text().splitlines()
    assert rows[:3] == [
        "label\tpredicted\tanswer",
        "T-shirt/top\tT-shirt/top\tright",
        "Trouser\tT-shirt/top\twrong",
    ]
    assert len(rows) == 1 + 7
    with Image.open(folder / "sprite.png") as sprite:
        tiles = np.asarray(sprite.convert("L"))
    assert tiles.shape == (3 * 28, 3 * 28)
    np.testing.assert_allclose(tiles[28:56, :28], pixels[3, 0], atol=1)


def test_a_row_of_hparams_per_recipe_with_its_metrics(tmp_path: Path) -> None:
    recipe = {"seed": 0, "train_images": None, "optimizer": {"name": "adam", "fused": True}}
    for accuracy in (0.5, 0.9):
        tensorboard.write_hparams(tmp_path, "lenet", recipe, {"accuracy": accuracy})
    (row,) = tmp_path.iterdir()
    assert row.name.startswith("lenet-")
    tensorboard.write_hparams(tmp_path, "lenet", recipe | {"seed": 1}, {"accuracy": 0.8})
    tensorboard.write_hparams(tmp_path, "vgg", recipe, {"accuracy": 0.7})
    assert len(list(tmp_path.iterdir())) == 3

    log = read(row)
    (point,) = log.Scalars("test/accuracy")
    assert point.value == pytest.approx(0.9)
    contents = log.PluginTagToContent("hparams")
    sessions = [HParamsPluginData.FromString(content) for content in contents.values()]
    (start,) = [s.session_start_info for s in sessions if s.HasField("session_start_info")]
    values = {
        name: value.string_value or value.number_value for name, value in start.hparams.items()
    }
    assert values == {
        "(model)": "lenet",
        "(recipe)": row.name.removeprefix("lenet-"),
        "seed": 0,
        "train_images": "None",
        "optimizer.name": "adam",
        "optimizer.fused": "True",
    }
    # TensorBoard shows the columns in this order.
    assert sorted(values)[:2] == ["(model)", "(recipe)"]
    assert any(s.HasField("session_end_info") for s in sessions)
