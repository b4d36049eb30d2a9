"""Weights that are damaged or hold nonsense are refused on loading, whatever command reads them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset.images import Transform
from fashion_cnn.models import lenet
from fashion_cnn.trained import tensor_files, weights
from tests.conftest import ROOT
from tests.faults.in_process import Commands
from tests.made_images import write_folder

WEIGHTS = Path("data/models/lenet.safetensors")
KERNELS = Path("data/initial_kernels/lenet.safetensors")
COMMANDS = {
    "evaluate": ("stages/evaluate.py", "lenet"),
    "export_images": ("stages/export_images.py", "lenet"),
    "predict": ("predict", "lenet", "picture.png"),
    "export": ("export", "lenet"),
    "drift": ("drift", "data/fashion_mnist", "--model", "lenet"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few images and an untrained LeNet."""
    folder = tmp_path_factory.mktemp("project")
    params = (ROOT / "params.yaml").read_text()
    (folder / "params.yaml").write_text(
        params.replace("validation_images: 5000", "validation_images: 10")
    )
    (folder / "dvc.yaml").touch()
    pixels = torch.randint(256, (40, 28, 28), dtype=torch.uint8)
    write_folder(folder / "data" / "fashion_mnist", train=pixels, t10k=pixels[:20])
    Image.new("L", (28, 28)).save(folder / "picture.png")
    network = lenet.build()
    weights.save(
        folder / WEIGHTS,
        network,
        model="lenet",
        architecture={"image_size": 28},
        transform=Transform(28, 0.5, 0.5),
        recipe={"seed": 0},
        made_with={"precision": "float32"},
    )
    weights.save_kernels(folder / KERNELS, network)
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """Run commands here that must fail."""
    return Commands(monkeypatch, capsys)


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Be in the project; its weights are put back afterwards."""
    whole = {file: (project / file).read_bytes() for file in (WEIGHTS, KERNELS)}
    monkeypatch.chdir(project)
    yield project
    for file, content in whole.items():
        file.write_bytes(content)


def rewrite(
    tensors: Callable[[dict[str, Tensor]], object] = lambda tensors: None,
    description: Callable[[dict[str, Any]], object] = lambda description: None,
    file: Path = WEIGHTS,
) -> None:
    """Change what a file says, with a digest that fits the change."""
    described, values = tensor_files.read(file)
    values = {name: value.clone() for name, value in values.items()}
    tensors(values)
    description(described)
    tensor_files.write(file, values, described)


def one_value(value: float) -> Callable[[dict[str, Tensor]], object]:
    """Return a change of a single weight."""
    return lambda tensors: tensors["conv2.weight"].view(-1)[7].fill_(value)


def as_type(dtype: torch.dtype) -> Callable[[dict[str, Tensor]], object]:
    """Return a change of every weight's type."""
    return lambda tensors: tensors.update({n: value.to(dtype) for n, value in tensors.items()})


def no_digest() -> None:
    """Write the same weights as a file that has no digest."""
    _, tensors = tensor_files.read(WEIGHTS)
    save_file({name: value.clone() for name, value in tensors.items()}, WEIGHTS)


def flip(file: Path, bit: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: rewrite(one_value(torch.nan)), "conv2.weight: expected numbers from"),
    "infinity": (lambda: rewrite(one_value(-torch.inf)), "conv2.weight: expected numbers from"),
    "huge": (lambda: rewrite(one_value(1e30)), "conv2.weight: expected numbers from"),
    "float16": (lambda: rewrite(as_type(torch.float16)), "expected float32, got torch.float16"),
    "float64": (lambda: rewrite(as_type(torch.float64)), "expected float32, got torch.float64"),
    "bfloat16": (lambda: rewrite(as_type(torch.bfloat16)), "expected float32, got torch.bfloat16"),
    "whole numbers": (lambda: rewrite(as_type(torch.int64)), "expected float32, got torch.int64"),
    "no tensor": (lambda: rewrite(lambda tensors: tensors.clear()), "does not fit the network"),
    "flipped bit": (
        lambda: flip(WEIGHTS, 8 * WEIGHTS.stat().st_size - 99),
        "is not what was written",
    ),
    "no digest": (no_digest, "no digest of its content"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", BAD)
def test_every_command_refuses_bad_weights(
    here: Path, fault: str, command: str, commands: Commands
) -> None:
    spoil, expected = BAD[fault]
    spoil()
    message = commands.fail(*COMMANDS[command])
    assert expected in message
    assert str(WEIGHTS) in message
    assert message.endswith("make it with `dvc repro train_lenet`")


DESCRIPTIONS: dict[str, tuple[str, str, Any]] = {
    "no deviation": ("transform", "standard_deviation", 0),
    "NaN deviation": ("transform", "standard_deviation", float("nan")),
    "mean of text": ("transform", "mean", "a"),
    "no size": ("transform", "image_size", 0),
    "other size": ("transform", "image_size", 64),
    "size of text": ("transform", "image_size", "x"),
    "boundless size": ("transform", "image_size", 10**30),
    "no width": ("architecture", "width_divisor", 2),
    "network of no size": ("architecture", "image_size", 0),
    "network of a huge size": ("architecture", "image_size", 10**9),
    "classes": ("architecture", "num_classes", 3),
    "precision": ("made_with", "precision", "float8"),
}


@pytest.mark.parametrize("fault", DESCRIPTIONS)
def test_metadata_that_make_no_sense_are_refused(here: Path, fault: str) -> None:
    section, key, value = DESCRIPTIONS[fault]
    rewrite(description=lambda description: description[section].update({key: value}))
    with pytest.raises(
        InputError, match=r"does not fit the network \(.*dvc repro train_lenet"
    ) as e:
        weights.load(WEIGHTS, "lenet")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("key", ["model", "architecture", "transform", "recipe", "made_with"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {"a": {"b": 1}}])
def test_sections_of_another_kind_are_refused(here: Path, key: str, value: object) -> None:
    rewrite(description=lambda description: description.update({key: value}))
    if key in {"recipe", "made_with"} and isinstance(value, dict):
        weights.load(WEIGHTS, "lenet")
        return
    with pytest.raises(InputError, match=r"^\S+lenet.safetensors .* `dvc repro train_lenet`$"):
        weights.load(WEIGHTS, "lenet")


@pytest.mark.parametrize("fault", ["NaN", "flipped bit", "float16", "misfit"])
def test_initial_kernels_are_held_to_the_same(here: Path, fault: str, commands: Commands) -> None:
    {
        "NaN": lambda: rewrite(one_value(torch.nan), file=KERNELS),
        "flipped bit": lambda: flip(KERNELS, 8 * KERNELS.stat().st_size - 99),
        "float16": lambda: rewrite(as_type(torch.float16), file=KERNELS),
        "misfit": lambda: rewrite(lambda tensors: tensors.popitem(), file=KERNELS),
    }[fault]()
    message = commands.fail(*COMMANDS["export_images"])
    assert str(KERNELS) in message
    assert message.endswith("make it with `dvc repro train_lenet`")


def assert_flips_are_noticed(bits: list[int]) -> None:
    """Fail where a file with one flipped bit loads as another network than it held."""
    whole = WEIGHTS.read_bytes()
    before = weights.load(WEIGHTS, "lenet")
    for bit in bits:
        flip(WEIGHTS, bit)
        try:
            after = weights.load(WEIGHTS, "lenet")
        except InputError as error:
            assert "dvc repro train_lenet" in str(error)  # noqa: PT017
        else:
            # Only the spelling of a number can change without its value, such as 1e-05 to 1E-05.
            assert (after.transform, after.recipe) == (before.transform, before.recipe)
            for name, value in before.network.state_dict().items():
                assert torch.equal(after.network.state_dict()[name], value)
        WEIGHTS.write_bytes(whole)


def test_a_flipped_bit_is_noticed_wherever_it_is(here: Path) -> None:
    size = 8 * WEIGHTS.stat().st_size
    drawn = random.Random(0)
    # Of the header, which says what the rest means, as many as of the rest.
    header = 8 * (8 + int.from_bytes(WEIGHTS.read_bytes()[:8], "little"))
    assert_flips_are_noticed(
        drawn.sample(range(header), 100) + drawn.sample(range(header, size), 100)
    )


@pytest.mark.faults
def test_a_flipped_bit_of_the_header_is_noticed(here: Path) -> None:
    header = 8 * (8 + int.from_bytes(WEIGHTS.read_bytes()[:8], "little"))
    assert_flips_are_noticed([*range(header)])


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(0, 10**6))
def test_other_bytes_in_a_file_are_refused(
    tmp_path_factory: pytest.TempPathFactory, project: Path, content: bytes, place: int
) -> None:
    whole = (project / WEIGHTS).read_bytes()
    start = place % len(whole)
    spoilt = (whole[:start] + content + whole[start + len(content) :])[: len(whole)]
    assume(spoilt != whole)
    path = tmp_path_factory.mktemp("spoilt") / "lenet.safetensors"
    path.write_bytes(spoilt)
    with pytest.raises(InputError, match="dvc repro train_lenet"):
        weights.load(path, "lenet")
