"""The first steps of each network have the losses that tests/golden holds."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import golden
from fashion_cnn.core.compute import prepare

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums are in the order of one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize(("model", "steps"), [("lenet", 50), ("vgg", 20), ("vgg11", 1)])
def test_losses_are_those_of_the_golden_file(
    file: Path, model: str, steps: int, fashion_mnist: Path
) -> None:
    compute = prepare("cpu", "float32")
    found = {model: golden.losses(model, compute, fashion_mnist, steps)}
    assert len(found[model]) == steps
    assert not golden.compare(json.loads(file.read_text()), compute.describe(), found)


def test_other_losses_are_found() -> None:
    made_with = prepare("cpu", "float32").describe()
    losses = [2.0 - index / 50 for index in range(50)]
    written = {"made_with": made_with, "losses": {"vgg": losses}}
    assert not golden.compare(written, made_with, {"vgg": losses[:20]})
    nearly = [*losses[:7], losses[7] * (1 + 1e-7), *losses[8:]]
    (fault,) = golden.compare(written, made_with, {"vgg": nearly})
    assert fault.startswith("vgg: step 8:")
    # On another device, a mean of ten within the tolerance is enough.
    other = made_with | {"device": "another"}
    assert not golden.compare(written, other, {"vgg": nearly})
    (fault,) = golden.compare(written, other, {"vgg": [*losses[:40], *[2.5] * 10]})
    assert fault.startswith("vgg: ten steps from 41:")
