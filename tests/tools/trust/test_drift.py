"""Drift: none between halves of the same images; each change shows in its own measure."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset.images import Images, Transform, read, shuffled
from fashion_cnn.sources.own_data import adopt
from fashion_cnn.tools.trust import drift
from fashion_cnn.tools.trust.rules import DriftRule
from fashion_cnn.trained.weights import Trained
from tests.made_images import draw_folder


@pytest.fixture(scope="module")
def halves(fashion_mnist: Path) -> tuple[Images, Images]:
    """Two random halves of the real test images."""
    images = read(fashion_mnist, "t10k")
    order = shuffled(len(images), "halves")
    return images[order[:5000]], images[order[5000:]]


def measured(halves: tuple[Images, Images]) -> dict[str, drift.Drift]:
    found = [drift.labels(*halves), *drift.pixels(*halves)]
    return {each.measure: each for each in found}


def test_halves_of_the_same_images_do_not_differ(halves: tuple[Images, Images]) -> None:
    for found in measured(halves).values():
        assert found.distance < 0.03
        assert found.p_value > 0.01
        assert found.training == pytest.approx(found.new, rel=0.02)


def test_the_numbers_are_those_of_the_data(halves: tuple[Images, Images]) -> None:
    first, second = halves
    found = measured(halves)
    assert found["brightness"].training == pytest.approx(first.pixels.float().mean().item() / 255)
    assert found["brightness"].new == pytest.approx(second.pixels.float().mean().item() / 255)
    same = measured((first, first))
    assert {(each.distance, each.p_value) for each in same.values()} == {(0.0, 1.0)}


def test_darker_images_show_in_their_pixels_only(halves: tuple[Images, Images]) -> None:
    first, second = halves
    found = measured((first, Images(second.pixels // 2, second.labels)))
    assert found["brightness"].distance > 0.2
    assert found["brightness"].p_value < 1e-50
    assert found["largest label share"].p_value > 0.01


def test_a_missing_class_shows_in_the_labels(halves: tuple[Images, Images]) -> None:
    first, second = halves
    found = measured((first, second[second.labels != 3]))["largest label share"]
    assert found.distance == pytest.approx(0.1, abs=0.02)
    assert found.p_value < 1e-50
    # No drift where neither has the class.
    without = first[first.labels != 3], second[second.labels != 3]
    assert drift.labels(*without).p_value > 0.01


def test_new_pictures_become_what_the_training_images_are(tmp_path: Path) -> None:
    """Of two of its three classes, another size, grey: they fit, and lie with the right labels."""
    settings = Dataset(mean=0.5, standard_deviation=0.5, image_size=20)
    drawn = draw_folder(tmp_path / "data" / "own" / "drawn", 3, 8, colour=True)
    adopt(drawn, drawn.parent, tmp_path / "idx", settings)
    training = read(tmp_path / "idx", "train")
    new = draw_folder(tmp_path / "new", 3, 2, colour=False)
    shutil.rmtree(new / "filled cross")
    for path in (new / "filled disc").iterdir():
        Image.new("L", (30, 30)).save(path)
    # Of a class, a single picture will do: nothing is split.
    next((new / "filled square").iterdir()).unlink()
    found = drift.read_pictures(new, training.kind, settings)
    assert found.kind == training.kind
    assert found.labels.tolist() == [1, 1, 2]
    assert found.pixels[found.labels == 1].max() == 0
    assert found.pixels[found.labels == 2].max() > 0
    (new / "filled disc").rename(new / "ball")
    with pytest.raises(InputError, match=r"no class ball: rename the folders, or move them away"):
        drift.read_pictures(new, training.kind, settings)


class Brightness(nn.Module):
    """A network that gives the first of two classes an image's mean brightness as probability."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images.flatten(1).mean(1)
        return torch.stack([bright, 1 - bright], dim=1).log()


def test_confidence_is_the_largest_probability() -> None:
    def images(*levels: int) -> Images:
        pixels = torch.tensor(levels * 50, dtype=torch.uint8).reshape(-1, 1, 1, 1)
        return Images(pixels.expand(-1, 1, 28, 28), torch.zeros(len(pixels), dtype=torch.int64))

    trained = Trained(Brightness(), Transform(28, mean=0.0, standard_deviation=1.0), {}, {})
    compute = Compute(torch.device("cpu"), torch.float32)
    # Of 255: probabilities of 0.8 and 0.2, so 0.8 twice; then 0.6 and 0.4.
    found = drift.confidence(trained, images(204, 51), images(153, 102), compute, batch_size=7)
    assert found.training == pytest.approx(0.8)
    assert found.new == pytest.approx(0.6)
    assert found.distance == 1
    assert found.p_value < 1e-20


def test_drift_beyond_a_limit_closes_the_gate_or_asks_for_an_issue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.setattr(drift, "root", lambda: tmp_path)
    measured = [
        drift.Drift("brightness", 0.3, 0.4, 0.21, 1e-9),
        drift.Drift("contrast", 0.3, 0.3, 0.1, 0.2),
    ]
    monkeypatch.setattr(drift, "measure", lambda folder, model: measured)

    def judged(action: str, **limits: float) -> list[tuple[str, str, str]]:
        rule = DriftRule.model_validate({"model": "vgg", "max_distance": limits, "action": action})
        return [(each.rule, each.fault, each.note) for each in drift.judge({"data/own/new": rule})]

    far = "drifted too far from the training images"
    issue = tmp_path / drift.ISSUE
    assert judged("issue", brightness=0.2, contrast=0.1) == [
        ("drift of brightness", "", f"{far}: CI opens an issue"),
        ("drift of contrast", "", ""),
    ]
    assert issue.read_text() == (f"- data/own/new: brightness {far}: 0.210, at most 0.2\n")
    assert judged("close", brightness=0.2, contrast=0.1) == [
        ("drift of brightness", far, ""),
        ("drift of contrast", "", ""),
    ]
    assert not issue.exists()
    ((_, fault, _),) = judged("issue", brihtness=0.2)
    assert fault == "no measure of drift: expected one of brightness, contrast"
