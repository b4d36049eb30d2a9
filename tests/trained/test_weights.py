"""Weights come back as they were saved; a bad file is named with the stage that makes it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Pictures
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.models import lenet, vgg
from fashion_cnn.trained import tensor_files, weights
from fashion_cnn.trained.inference import predict

TRANSFORM = Transform(28, 0.25, 0.75)
PICTURES = Pictures(fit="crop", background="edge")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, lenet.LeNet]:
    """The file of a LeNet, and the network."""
    network = lenet.build().to(memory_format=torch.channels_last)
    path = tmp_path / "lenet.safetensors"
    save(path, network)
    return path, network


def save(path: Path, network: torch.nn.Module) -> None:
    """Save `network` as a LeNet."""
    made_with = {"threads": 2, "device": "cpu", "torch": "x"}
    weights.save(
        path,
        network,
        model="lenet",
        architecture={"image_size": 28},
        pictures=PICTURES,
        transform=TRANSFORM,
        recipe={"epochs": 3},
        made_with=made_with,
    )


def test_a_network_comes_back_with_its_transform(saved: tuple[Path, lenet.LeNet]) -> None:
    path, network = saved
    trained = weights.load(path, "lenet")
    for name, value in network.state_dict().items():
        assert torch.equal(trained.network.state_dict()[name], value)
    assert trained.transform == TRANSFORM
    assert trained.pictures == PICTURES
    assert trained.recipe == {"epochs": 3}
    assert trained.made_with["threads"] == 2
    assert not trained.network.training


def test_a_network_computes_with_its_channels_last(tmp_path: Path) -> None:
    path, layouts = tmp_path / "lenet.safetensors", []
    save(path, lenet.build())
    trained = weights.load(path, "lenet")

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        layouts.extend([module.weight.stride(1), inputs[0].stride(1)])

    convolutions = [each for each in trained.network.modules() if isinstance(each, torch.nn.Conv2d)]
    # The layout of the first one's single channel is either.
    convolutions[1].register_forward_pre_hook(note)
    pixels = torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, torch.zeros(3, dtype=torch.int64))
    predict(trained.network, images, trained.transform, prepare("cpu", "float32"), 3)
    assert layouts == [1, 1]


def test_the_same_network_makes_the_same_bytes(saved: tuple[Path, lenet.LeNet]) -> None:
    path, network = saved
    for attempt in range(5):
        again = path.with_name(f"again{attempt}")
        save(again, network)
        assert again.read_bytes() == path.read_bytes()


def test_a_failed_save_leaves_the_old_file(
    saved: tuple[Path, lenet.LeNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, network = saved
    before = path.read_bytes()

    def full(tensors: object, file: Path, metadata: object) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_files, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        save(path, network)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_bad_files_are_named_with_the_stage_that_makes_them(
    saved: tuple[Path, lenet.LeNet], tmp_path: Path
) -> None:
    path, network = saved
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    whole = path.read_bytes()
    for name, content in {
        "empty": b"",
        "truncated": whole[:-100],
        "text": b"no weights" * 9,
    }.items():
        (tmp_path / name).write_bytes(content)
    save_file(state, tmp_path / "foreign")
    save_file(state, tmp_path / "other_metadata", {"format": "pt"})
    save_file(state, tmp_path / "not_json", {tensor_files.METADATA_KEY: "{"})
    save_file(state, tmp_path / "no_digest", {tensor_files.METADATA_KEY: '{"model": "lenet"}'})
    tensor_files.write(tmp_path / "lacking", state, {"model": "lenet"})
    save(tmp_path / "misfit", vgg.build(image_size=32))
    (tmp_path / "folder").mkdir()
    for name in (
        "absent",
        "empty",
        "truncated",
        "text",
        "foreign",
        "other_metadata",
        "not_json",
        "no_digest",
        "lacking",
        "misfit",
        "folder",
    ):
        with pytest.raises(InputError) as error:
            weights.load(tmp_path / name, "lenet")
        assert name in str(error.value)
        assert "dvc repro train_lenet" in str(error.value)
        assert "\n" not in str(error.value)


def test_another_models_file_is_refused(saved: tuple[Path, lenet.LeNet]) -> None:
    with pytest.raises(InputError, match="holds 'lenet', not 'vgg'"):
        weights.load(saved[0], "vgg")


def test_kernels_come_back_by_their_names(tmp_path: Path) -> None:
    network = lenet.build()
    weights.save_kernels(tmp_path / "kernels", network)
    kernels = weights.load_kernels(tmp_path / "kernels", "lenet", network)
    torch.testing.assert_close(
        kernels, {"conv1": network.conv1.weight.detach(), "conv2": network.conv2.weight.detach()}
    )


def test_bad_kernels_are_named_with_the_stage_that_makes_them(tmp_path: Path) -> None:
    weights.save_kernels(tmp_path / "foreign", vgg.build(image_size=32))
    weights.save_kernels(tmp_path / "truncated", lenet.build())
    (tmp_path / "truncated").write_bytes((tmp_path / "truncated").read_bytes()[:-9])
    for name in ("absent", "foreign", "truncated"):
        with pytest.raises(InputError) as error:
            weights.load_kernels(tmp_path / name, "lenet", lenet.build())
        assert name in str(error.value)
        assert "dvc repro train_lenet" in str(error.value)
