"""Images of one's own through the pipeline: as DVC tracks them, and to the last stage and tool."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import data_dir
from sklearn.datasets import load_digits

from fashion_cnn.dataset.kind import read_kind
from fashion_cnn.trained import weights
from tests.conftest import Shell, put_preset
from tests.made_images import draw_folder
from tests.test_pipeline import MODELS


def digits(folder: Path) -> Path:
    """Make a folder of scikit-learn's 1,797 digits of 8 x 8 pixels."""
    images, labels = load_digits(return_X_y=True)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{index:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.reshape(8, 8) / 16 * 255).astype(np.uint8)).save(path)
    return folder


def photographs(folder: Path) -> Path:
    """Make a folder of 40 x 40 pieces of six colour pictures that come with scikit-image.

    Every fifth piece is to test on, as two folders, train/ and test/, hold them.
    """
    names = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "retina.jpg", "rocket.jpg")
    for name in names:
        picture = Image.open(Path(data_dir, name)).convert("RGB")
        width, height = picture.size
        corners = [(x, y) for y in range(0, height - 39, 40) for x in range(0, width - 39, 40)]
        for index, (x, y) in enumerate(corners[:120]):
            part = "train" if index % 5 else "test"
            path = folder / part / Path(name).stem / f"{index:03}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.crop((x, y, x + 40, y + 40)).save(path)
    return folder


@pytest.mark.parametrize("how", ["add", "import-url"])
def test_what_dvc_tracks_is_found_in_the_copy_of_an_experiment(
    clone: Path, shell: Shell, tmp_path: Path, how: str
) -> None:
    own = clone / "data" / "own"
    drawn = draw_folder(own / "shop" if how == "add" else tmp_path / "shop", 3, 5, colour=False)
    command = ("add", "data/own/shop") if how == "add" else ("import-url", str(drawn), str(own))
    for line in (("dvc", *command), ("git", "add", "-A"), ("git", "commit", "-qm", "shop")):
        done = shell(*line, cwd=clone)
        assert done.returncode == 0, done.stderr
    tracked = shell("git", "ls-files", "data/own", cwd=clone).stdout.split()
    assert tracked == ["data/own/.gitignore", "data/own/shop.dvc"]
    setting = ("-S", "dataset.folder=data/own/shop")
    done = shell("dvc", "exp", "run", "--temp", *setting, "download", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    refs = shell("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=clone).stdout
    (ref,) = [each for each in refs.split() if "refs/exps/exec" not in each]
    table = shell("git", "show", f"{ref}:plots/data/classes.csv", cwd=clone).stdout.splitlines()
    assert table[1:] == ["filled cross,4,1", "filled disc,4,1", "filled square,4,1"]


@pytest.mark.images
@pytest.mark.parametrize(
    ("make", "channels", "classes", "floor"),
    [
        (digits, 1, 10, 0.8),
        (lambda folder: draw_folder(folder, 3, 120, colour=False), 1, 3, 0.8),
        (lambda folder: draw_folder(folder, 12, 120, colour=True), 3, 12, 0.5),
        (photographs, 3, 6, 0.6),
    ],
    ids=["digits", "shapes in grey", "shapes in colour", "photographs in colour"],
)
def test_other_classes_and_channels_reach_every_stage_and_tool(
    clone: Path,
    shell: Shell,
    make: Callable[[Path], Path],
    channels: int,
    classes: int,
    floor: float,
) -> None:
    folder = make(clone / "data" / "own" / "shop")
    put_preset(
        clone,
        shell,
        "smoke",
        ("folder: null", "folder: data/own/shop"),
        ("validation_images: 1000", "validation_images: 60"),
        ("images: [0, 17]", "images: one_per_class"),
        ("  epochs: 2 ", "  epochs: 25 "),
    )
    done = shell("dvc", "repro", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    kind, _ = read_kind(clone / "data" / "fashion_mnist")
    assert (kind.channels, len(kind.classes)) == (channels, classes)
    pictures = [path for path in folder.rglob("*") if path.is_file()]
    assert {*kind.classes} == {path.parent.name for path in pictures}
    for model in MODELS:
        text = {"dtype": str, "keep_default_na": False}
        table = pd.read_csv(clone / f"plots/classes/{model}.csv", **text)  # type: ignore[call-overload]
        assert table["class"].tolist() == list(kind.classes)
        header = pd.read_csv(clone / f"data/predictions/{model}.csv").columns
        assert header.tolist() == ["index", "label", "predicted", *kind.classes]
        trained = weights.load(clone / f"data/models/{model}.safetensors", model)
        assert trained.kind == kind
        first = next(module for module in trained.network.parameters())
        assert first.shape[1] == channels
        shown = {path.name for path in (clone / "plots/feature_maps" / model).iterdir()}
        assert len(shown) == classes
    measured = json.loads((clone / "metrics/evaluate/lenet.json").read_text())
    assert measured["lenet"]["accuracy"] > floor
    command = ("python", "-m", "fashion_cnn", "predict", "lenet", str(folder), "--json")
    done = shell(*command, cwd=clone, PYTHONPATH="src")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    right = [answer["class"] == Path(answer["file"]).parent.name for answer in answers]
    assert sum(right) / len(right) > floor
    for tool in (("export", "lenet"), ("gate", "--baseline=none"), ("report",)):
        done = shell("python", "-m", "fashion_cnn", *tool, cwd=clone, PYTHONPATH="src")
        assert "Traceback" not in done.stderr, done.stderr
        assert (done.returncode == 0) == (tool[0] != "gate"), done.stdout + done.stderr
    assert all(name in (clone / "report.html").read_text() for name in kind.classes)
