"""The weights after each epoch: which are kept, and that they are those of the epochs."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch

from fashion_cnn.base import paths
from fashion_cnn.core.compute import seeded
from fashion_cnn.models import lenet
from fashion_cnn.tracing import trace_network
from fashion_cnn.trained import tensor_files, weights
from fashion_cnn.training import run as training_run
from fashion_cnn.training.snapshots import MAX_BYTES, Snapshots
from tests import recipes


@pytest.fixture
def project(fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "plots" / "shapes").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    layers = json.dumps([asdict(row) for row in trace_network(lenet.build(), (1, 28, 28))])
    (tmp_path / "plots" / "shapes" / "lenet.json").write_text(layers)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        (2, [0, 1, 2]),
        (21, list(range(22))),
        (22, [0, *range(2, 23, 2)]),
        (43, [0, *range(1, 44, 3)]),
    ],
)
def test_as_many_epochs_as_fit_are_kept_and_always_the_last(epochs: int, kept: list[int]) -> None:
    network = lenet.build()
    snapshots = Snapshots(network, epochs)
    for epoch in range(1, epochs + 1):
        snapshots.add(epoch, network)
    assert snapshots.epochs == kept
    assert sum(tensor.nbytes for tensor in snapshots.tensors.values()) <= MAX_BYTES


def test_a_resumed_training_goes_on_with_the_copies_so_far() -> None:
    network, other = lenet.build(), lenet.build()
    first, resumed = Snapshots(network, 2), Snapshots(other, 2)
    resumed.restore(first.to_checkpoint())
    resumed.add(1, other)
    assert resumed.epochs == [0, 1]
    for name, rows in resumed.tensors.items():
        assert torch.equal(rows[0], network.state_dict()[name].half())
        assert torch.equal(rows[1], other.state_dict()[name].half())


def test_of_a_network_too_large_nothing_is_kept() -> None:
    assert Snapshots(lenet.build(image_size=112), 5).tensors == {}


def test_the_first_are_the_seed_s_and_the_last_the_trained_ones(project: Path) -> None:
    recipe = recipes.lenet(epochs=2)
    data = recipes.dataset()
    training_run.train("lenet", lenet.build, recipe, data, recipes.LOG_INTERVAL, keep_epochs=True)
    description, tensors = tensor_files.read(paths.epoch_weights_file("lenet"))
    curve = pd.read_csv(project / "plots/training/lenet.csv").to_dict("records")
    assert description == {"epochs": [0, 1, 2], "kept": 2, "curve": curve}
    with seeded(recipe.seed, "initial weights"):
        initial = lenet.build().state_dict()
    trained = weights.load(paths.weights_file("lenet"), "lenet").network.state_dict()
    for name, rows in tensors.items():
        assert torch.equal(rows[0], initial[name].half())
        assert torch.equal(rows[2], trained[name].half())
        assert not torch.equal(rows[1], rows[2])
