"""Suspect labels and almost equal images are found, and the committed list fits the data set."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import ours
from benchmarks.labels import counting, duplicates, out_of_sample, sheets
from fashion_cnn.base import params
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, read
from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks/results"
CLASSES = ("boot", "coat", "dress", "shirt")


def test_planted_wrong_labels_are_found() -> None:
    pytest.importorskip("cleanlab", reason="only `make bench-labels` installs cleanlab")
    from benchmarks.labels import suspects

    random = np.random.default_rng(0)
    true = random.integers(0, 4, 2_000)
    probabilities = random.dirichlet([1.0] * 4, 2_000) * 0.3
    probabilities[np.arange(2_000), true] += 0.7
    labels = true.copy()
    planted = random.choice(2_000, 50, replace=False)
    labels[planted] = (true[planted] + 1) % 4
    found = suspects.find(labels, probabilities, CLASSES)
    assert set(found["index"]) <= set(planted)
    assert len(found) >= 45
    names = np.array(CLASSES)
    assert (found["suggested"] == names[true[found["index"]]]).all()
    assert (found["given"] == names[labels[found["index"]]]).all()
    assert found["self_confidence"].is_monotonic_increasing


def test_every_image_is_judged_by_the_one_network_that_was_not_trained_on_it(
    fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, test = read(fashion_mnist, "train")[:300], read(fashion_mnist, "t10k")[:20]
    train = ours.train
    seen: list[Images] = []

    def watched(*arguments: Any) -> tuple[nn.Module, list[float]]:
        seen.append(arguments[3])
        return train(*arguments)

    monkeypatch.setattr(ours, "train", watched)
    values = params.replace(out_of_sample.recipes(["lenet"]), "lenet", epochs=1)
    call = (values, 3, training, test, prepare("cpu", "float32"), tmp_path)
    of_training, of_test = out_of_sample.probabilities("lenet", *call)
    everything = [image.numpy().tobytes() for image in training.pixels]
    trained_on = [{image.numpy().tobytes() for image in images.pixels} for images in seen]
    assert len(seen) == 3
    assert all(sum(image in part for part in trained_on) == 2 for image in everything)
    assert of_training.shape == (300, 10)
    assert of_test.shape == (20, 10)
    assert np.concatenate([of_training, of_test]).sum(axis=1) == pytest.approx(1, abs=1e-5)
    # What a stopped run has finished is not trained again.
    again = out_of_sample.probabilities("lenet", *call)
    assert len(seen) == 3
    assert np.array_equal(again[0], of_training)
    assert np.array_equal(again[1], of_test)


def test_a_network_contradicts_wrong_labels_that_it_was_not_trained_on(
    fashion_mnist: Path, tmp_path: Path
) -> None:
    images = read(fashion_mnist, "train")[:4_000]
    trousers_and_bags = (images.labels == 1) | (images.labels == 8)
    images = images[trousers_and_bags]
    true = images.labels.clone()
    wrong = torch.arange(0, len(true), 25)
    images.labels[wrong] = 9 - true[wrong]
    values = params.replace(
        out_of_sample.recipes(["lenet"]), "lenet", epochs=4, batch_size=32, seed=0
    )
    compute = prepare("cpu", "float32")
    judged, _ = out_of_sample.probabilities(
        "lenet", values, 2, images, images[:2], compute, tmp_path
    )
    assert (judged[wrong].argmax(axis=1) == true[wrong].numpy()).mean() > 0.9


def test_copies_are_found_whatever_their_brightness_and_contrast() -> None:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 200, (30, 1, 28, 28), dtype=np.uint8)
    pixels[7] = pixels[3]
    pixels[21] = pixels[4] // 2 + 40
    pixels[25] = 9
    images = Images(torch.from_numpy(pixels), torch.arange(30) % 4, CLASSES)
    subsets = {"train": images[:20], "test": images[20:]}
    found = duplicates.near(subsets, 0.99)
    first, second = found.to_dict("records")
    assert first["exact"]
    assert not second["exact"]
    place = ["first_split", "first_index", "second_split", "second_index"]
    assert [first[name] for name in place] == ["train", 3, "train", 7]
    assert [second[name] for name in place] == ["train", 4, "test", 1]
    flat = pixels[[4, 21], 0].reshape(2, -1)
    assert second["correlation"] == pytest.approx(np.corrcoef(flat)[0, 1], abs=1e-4)
    assert duplicates.counts(found) == {
        "pairs_within_train": 1,
        "pairs_within_test": 0,
        "pairs_across": 1,
        "test_images_with_a_twin_in_train": 1,
        "pairs_of_different_labels": 1,
        "exact_pairs": 1,
    }


def test_pairs_are_found_in_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (10, 1, 28, 28), dtype=np.uint8)
    images = Images(torch.from_numpy(pixels), torch.zeros(10, dtype=torch.int64), CLASSES)
    twice = images[torch.arange(10).repeat(2)]
    monkeypatch.setattr(duplicates, "BLOCK", 3)
    found = duplicates.near({"train": twice}, 0.99)
    pairs = zip(found["first_index"], found["second_index"], strict=True)
    assert set(pairs) == {(index, index + 10) for index in range(10)}


def test_accuracy_is_counted_with_and_without_suspects() -> None:
    label = ["boot", "coat", "coat", "dress"]
    predicted = ["boot", "coat", "dress", "coat"]
    table = pd.DataFrame({"index": range(4), "label": label, "predicted": predicted})
    suspects = pd.DataFrame({"index": [2], "given": ["coat"], "suggested": ["dress"]})
    (row,) = counting.accuracies({"lenet": table}, suspects).to_dict("records")
    assert row == {
        "network": "lenet",
        "all": 0.5,
        "not_suspect": pytest.approx(2 / 3),
        "suspect": 0.0,
        "suspect_as_suggested": 1.0,
        "errors": 2,
        "errors_on_suspects": 0.5,
    }
    mixed = counting.confusions({"lenet": table})
    assert mixed.to_dict("records") == [{"classes": "coat and dress", "lenet": 1.0}]


def test_images_that_all_get_wrong_are_counted() -> None:
    label = ["boot", "coat", "coat", "dress"]
    answers = {"lenet": ["coat", "boot", "boot", "dress"], "vgg": ["coat", "dress", "boot", "boot"]}
    tables = {
        model: pd.DataFrame({"index": range(4), "label": label, "predicted": predicted})
        for model, predicted in answers.items()
    }
    suspects = pd.DataFrame({"index": [1, 3]})
    (row,) = counting.all_wrong(tables, suspects).to_dict("records")
    assert row == {"images": 3, "same_answer": 2, "suspect": 1}


def test_a_sheet_shows_every_tile(tmp_path: Path) -> None:
    image = np.full((28, 28), 255, np.uint8)
    image[:14] = 0
    picture = sheets.sheet([([image], [("boot", "red")])] * 9)
    assert picture.width == 830
    black = (np.asarray(picture) == 0).all(axis=2).sum()
    assert black == 9 * 14 * 28 * sheets.SCALE**2
    sheets.save(picture, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size < 5_000


@pytest.fixture(scope="module")
def subsets(fashion_mnist: Path) -> dict[str, Images]:
    return {"train": read(fashion_mnist, "train"), "test": read(fashion_mnist, "t10k")}


def test_the_committed_suspects_are_images_of_the_data_set(subsets: dict[str, Images]) -> None:
    found = pd.read_csv(RESULTS / "labels.csv")
    assert not found.duplicated(["split", "index"]).any()
    assert (found["given"] != found["suggested"]).all()
    assert (found["self_confidence"] < found["suggested_confidence"]).all()
    for split, part in found.groupby("split"):
        images = subsets[str(split)]
        given = np.array(images.classes)[images.labels.numpy()[part["index"]]]
        assert (given == part["given"]).all()
        assert part["self_confidence"].is_monotonic_increasing
    counted = counting.by_class(found, subsets["train"].classes).to_dict("records")
    assert json.loads((RESULTS / "labels.json").read_text())["suspects"] == counted


def test_the_committed_accuracies_are_those_of_the_committed_run() -> None:
    for row in json.loads((RESULTS / "labels.json").read_text())["accuracy"]:
        measured = json.loads((ROOT / f"metrics/evaluate/{row['network']}.json").read_text())
        assert row["all"] == pytest.approx(measured[row["network"]]["accuracy"], abs=1e-4)
    (row,) = json.loads((RESULTS / "labels.json").read_text())["all_wrong"]
    compared = json.loads((ROOT / "metrics/compare_models.json").read_text())
    assert row["images"] == compared["all_wrong"]
    text = (ROOT / "docs/results.md").read_text()
    assert f"All three networks are wrong on the same {row['images']} test images" in text
    assert f"on {row['same_answer']} of\n  them with the same answer; {row['suspect']} of" in text


def test_the_committed_pairs_are_as_alike_as_they_say(subsets: dict[str, Images]) -> None:
    pairs = pd.read_csv(RESULTS / "near_duplicates.csv")
    counted = json.loads((RESULTS / "labels.json").read_text())["duplicates"]
    for row in counted:
        alike = pairs[pairs["correlation"] >= row["correlation"]]
        assert row == {"correlation": row["correlation"], **duplicates.counts(alike)}
    for row in pairs.head(100).to_dict("records"):
        sides = [(row[f"{side}_split"], row[f"{side}_index"]) for side in ("first", "second")]
        one, other = (subsets[split].pixels[index].flatten().numpy() for split, index in sides)
        assert np.corrcoef(one, other)[0, 1] == pytest.approx(row["correlation"], abs=2e-4)
        assert row["exact"] == np.array_equal(one, other)
