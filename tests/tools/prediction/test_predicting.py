"""`predict` and `export` as a user runs them, held against the network itself."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fashion_cnn.base import models
from fashion_cnn.base.errors import run
from fashion_cnn.core.compute import prepare, seeded
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.models.vgg11 import TiledLinear
from fashion_cnn.tools import command_line as cli
from fashion_cnn.tools.prediction import exporting, predicting
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained
from tests.conftest import ROOT, Shell


@pytest.fixture(scope="module")
def images(fashion_mnist: Path) -> Images:
    """Return the first 1,000 test images."""
    return dataset.read(fashion_mnist, "t10k")[:1000]


@pytest.fixture(scope="module")
def repository(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a LeNet that has learned something, and 200 test images as PNG."""
    folder, transform = tmp_path_factory.mktemp("repository"), Transform(28, 0.5, 0.5)
    with seeded("predicting"):
        network = models.build("lenet", image_size=28)
    optimizer = torch.optim.Adam(network.parameters(), 0.002)
    for batch in [*dataset.batches(images[200:], 50)] * 3:
        optimizer.zero_grad()
        F.cross_entropy(network(transform(batch.pixels)), batch.labels).backward()
        optimizer.step()
    for name in ("dvc.yaml", "params.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    weights.save(
        folder / "data/models/lenet.safetensors",
        network,
        model="lenet",
        architecture={"image_size": 28},
        transform=transform,
        recipe={"epochs": 3},
        made_with={"device": "cpu", "precision": "float32"},
    )
    (folder / "images").mkdir()
    for index, pixels in enumerate(images.pixels[:200, 0].numpy()):
        Image.fromarray(pixels).save(folder / "images" / f"{index:03}.png")
    return folder


@pytest.fixture
def command(repository: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be in the repository; `call` runs a command there."""
    monkeypatch.chdir(repository)
    return monkeypatch


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["fashion_cnn", *arguments])
    run(cli.main)


def test_pngs_of_test_images_get_the_answers_of_the_images_themselves(
    command: pytest.MonkeyPatch, images: Images, capsys: pytest.CaptureFixture[str]
) -> None:
    call(command, "predict", "lenet", "images", "--json")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    trained = weights.load(Path("data/models/lenet.safetensors"), "lenet")
    compute = prepare("auto", trained.precision)
    network = trained.network.to(compute.device)
    logits = predict(network, images[:200], trained.transform, compute, 500).cpu()
    assert [answer["file"] for answer in answers] == [f"images/{i:03}.png" for i in range(200)]
    predicted = torch.tensor([FASHION_MNIST.classes.index(answer["class"]) for answer in answers])
    assert torch.equal(predicted, logits.argmax(dim=1))
    # A constant answer is right for a tenth.
    assert (predicted == images.labels[:200]).float().mean() > 0.5
    expected = logits.softmax(dim=1)
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer["probabilities"]) == list(FASHION_MNIST.classes)
        assert list(answer["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-6)
        first, second = sorted(row.tolist(), reverse=True)[:2]
        assert answer["probability"] == pytest.approx(first, abs=1e-6)
        assert answer["runner_up_probability"] == pytest.approx(second, abs=1e-6)
        assert answer["probabilities"][answer["runner_up"]] == answer["runner_up_probability"]
        assert answer["probabilities"][answer["class"]] == answer["probability"]


def test_the_weights_own_transform_counts_and_another_in_params_is_told(
    command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(command, "predict", "lenet", "images/000.png", "--json")
    before = capsys.readouterr()
    assert before.err == ""
    path = Path("params.yaml")
    text = path.read_text()
    path.write_text(text.replace("  mean: 0.5 ", "  mean: 0.2 "))
    call(command, "predict", "lenet", "images/000.png", "--json")
    path.write_text(text)
    after = capsys.readouterr()
    assert after.out == before.out
    assert after.err == (
        "note: the weights were trained with dataset.mean 0.5, which is used; params.yaml has 0.2\n"
    )


def test_a_file_that_is_not_an_image_is_named_and_the_rest_is_printed(
    command: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no picture\n")
    files = ("images/000.png", str(tmp_path), "nothing.png", "images/001.png")
    with pytest.raises(SystemExit) as stopped:
        call(command, "predict", "lenet", *files)
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    header, _, *rows = printed.out.splitlines()
    assert header.split() == ["file", "class", "probability", "runner-up", "its", "probability"]
    assert [row.split()[0] for row in rows] == ["images/000.png", "images/001.png"]
    assert printed.err.splitlines() == [
        f"skipped {tmp_path}/notes.txt: not a PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC picture",
        "skipped nothing.png: no such file",
    ]


def test_what_the_network_saw_is_written_and_gets_the_same_answer(
    command: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, side in (("large", 300), ("small", 90)):
        page = np.full((side, side), 240, np.uint8)
        page[side // 5 : -side // 5, side // 3 : -side // 3] = 70
        Image.fromarray(page).save(tmp_path / f"{name}.png")
    files = (str(tmp_path / "large.png"), "images/003.png", str(tmp_path / "small.png"))
    folder = tmp_path / "seen"
    call(command, "predict", "lenet", *files, "--json", "--show", str(folder))
    first = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = ["0001-large.png", "0002-003.png", "0003-small.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / names[1]).read_bytes() != (folder / names[0]).read_bytes()
    call(command, "predict", "lenet", *(str(folder / name) for name in names), "--json")
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["probabilities"] for a in again] == [a["probabilities"] for a in first]


def test_a_folder_to_show_that_is_a_file_is_an_error(
    command: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        call(command, "predict", "lenet", "images", "--show", str(tmp_path / "file"))
    assert "--show: expected a folder, got the file" in str(stopped.value.code)


def test_what_makes_an_answer_doubtful_stands_beside_it(
    command: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (1, 1), 200).save(tmp_path / "dot.png")
    files = ("images/000.png", str(tmp_path / "dot.png"))
    call(command, "predict", "lenet", *files, "--json")
    notes = [json.loads(line)["note"] for line in capsys.readouterr().out.splitlines()]
    assert notes == [None, "nothing to see in it"]
    call(command, "predict", "lenet", *files)
    header, _, whole, doubtful = capsys.readouterr().out.splitlines()
    assert header.split()[-1] == "note"
    assert doubtful.endswith("  nothing to see in it")
    assert "nothing" not in whole


def test_without_any_image_no_table_is_printed(
    command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(command, "predict", "lenet", "params.yaml")
    assert (stopped.value.code, capsys.readouterr().out) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "vgg", "images"), "vgg.safetensors is missing: make it with `dvc repro train"),
        (("export", "vgg11"), "vgg11.safetensors is missing: make it with `dvc repro finetune_"),
        (("predict", "lenet", "images", "--device", "gpu"), "evaluate.device: expected text of "),
    ],
)
def test_a_missing_model_or_a_wrong_device_is_an_error(
    command: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(command, *arguments)
    assert message in str(stopped.value.code)


def test_no_more_than_a_batch_is_read_ahead(repository: Path) -> None:
    trained = weights.load(repository / "data/models/lenet.safetensors", "lenet")
    read: list[Path] = []

    def files() -> list[Path]:
        return sorted((repository / "images").iterdir())[:6]

    found = predicting.predictions(
        trained,
        (read.append(file) or file for file in files()),  # type: ignore[func-returns-value]
        background="auto",
        compute=prepare("cpu", "float32"),
        batch_size=2,
        skip=lambda file, error: pytest.fail(f"{file}: {error}"),
    )
    assert next(found).file == files()[0]
    assert read == files()[:2]
    assert len(list(found)) == 5


def test_a_file_name_that_cannot_be_decoded_is_printed(repository: Path, shell: Shell) -> None:
    odd = repository / "images" / "caf\udce9.png"
    try:
        odd.write_bytes((repository / "images/000.png").read_bytes())
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    command = (sys.executable, "-m", "fashion_cnn", "predict", "lenet", str(odd))
    done = shell(*command, cwd=repository, PYTHONPATH=str(ROOT / "src"))
    odd.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf\\xe9.png" in done.stdout


def test_help_does_not_wait_for_torch(shell: Shell) -> None:
    code = "import sys, fashion_cnn.__main__; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = shell(sys.executable, "-c", code, cwd=ROOT, PYTHONPATH=str(ROOT / "src"))
    assert done.stdout == "False False\n"


def answers(path: Path, pixels: torch.Tensor) -> np.ndarray:
    """Return onnxruntime's logits of pixels (N, 1, 28, 28) uint8, in two batches of two sizes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"images": part.numpy()})[0] for part in (pixels[:1], pixels[1:])]
    return np.concatenate(parts)


def test_the_onnx_file_answers_as_the_network_does_to_1000_images(
    command: pytest.MonkeyPatch, images: Images, capsys: pytest.CaptureFixture[str]
) -> None:
    call(command, "export", "lenet")
    path = Path("data/models/lenet.onnx")
    assert str(path) in capsys.readouterr().out
    trained = weights.load(Path("data/models/lenet.safetensors"), "lenet")
    logits = predict(trained.network, images, trained.transform, prepare("cpu", "float32"), 500)
    assert np.abs(answers(path, images.pixels) - logits.numpy()).max() < 1e-4
    about = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(FASHION_MNIST.classes)
    assert json.loads(about["transform"]) == {
        "image_size": 28,
        "mean": 0.5,
        "standard_deviation": 0.5,
    }
    first = path.read_bytes()
    assert str(ROOT).encode() not in first
    call(command, "export", "lenet")
    assert path.read_bytes() == first
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "lenet.onnx",
        "lenet.safetensors",
    ]


def narrow_vgg11() -> torch.nn.Module:
    """Return VGG-11 for 32 pixels with a classifier of 32 units for 4,096: 40 MB for 515."""
    with torch.device("meta"):
        network = models.build("vgg11", image_size=32)
        classifier = network.classifier
        assert isinstance(classifier, torch.nn.Sequential)
        assert isinstance(classifier[0], TiledLinear)
        classifier[0] = TiledLinear(classifier[0].in_features, 32)
        classifier[3] = torch.nn.Linear(32, 32)
        classifier[6] = torch.nn.Linear(32, 10)
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.normal_(parameter)
    return network


@pytest.mark.parametrize(
    ("build", "image_size"),
    [
        # Reduced with antialiasing, enlarged, and enlarged with the weights of 49 inputs summed.
        (lambda: models.build("lenet", image_size=20), 20),
        (lambda: models.build("vgg", image_size=40, width_divisor=16), 40),
        (narrow_vgg11, 32),
    ],
)
def test_every_architecture_exports(
    build: Callable[[], torch.nn.Module], image_size: int, images: Images, tmp_path: Path
) -> None:
    with seeded("exporting"):
        network = build().eval()
    trained = Trained(network, Transform(image_size, 0.3, 0.4), {}, {})
    exporting.write_onnx(tmp_path / "model.onnx", trained)
    few = images[:100]
    logits = predict(network, few, trained.transform, prepare("cpu", "float32"), 500)
    assert logits.std() > 1e-2
    assert np.abs(answers(tmp_path / "model.onnx", few.pixels) - logits.numpy()).max() < 1e-4
