"""Images are read and transformed as torchvision does it; the split depends on its seed alone."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchvision.datasets.mnist import read_image_file, read_label_file
from torchvision.transforms import v2

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.dataset import images as dataset
from tests.made_images import idx


def split(validation_images: int, seed: int) -> Dataset:
    """Return the params of a split, without their own checks."""
    return Dataset.model_construct(
        mean=0.5, standard_deviation=0.5, validation_images=validation_images, split_seed=seed
    )


@pytest.mark.parametrize("image_size", [14, 28, 32, 45, 64, 224])
def test_the_transform_is_torchvisions(image_size: int) -> None:
    pixels = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    reference = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.3], [0.4]),
            v2.Resize([image_size, image_size]),
        ]
    )
    ours = dataset.Transform(image_size, mean=0.3, standard_deviation=0.4)(pixels)
    torch.testing.assert_close(ours, reference(pixels), atol=1e-5, rtol=0)


def test_the_real_files_are_read_as_torchvision_reads_them(fashion_mnist: Path) -> None:
    for subset, count in (("train", 60_000), ("t10k", 10_000)):
        images = dataset.read(fashion_mnist, subset)  # type: ignore[arg-type]
        assert images.pixels.shape == (count, 1, 28, 28)
        assert images.pixels.dtype == torch.uint8
        assert torch.bincount(images.labels).tolist() == [count // 10] * 10
        expected = read_image_file(str(fashion_mnist / f"{subset}-images-idx3-ubyte"))
        assert torch.equal(images.pixels[:, 0], expected)
        labels = read_label_file(str(fashion_mnist / f"{subset}-labels-idx1-ubyte"))
        assert torch.equal(images.labels, labels)


def test_the_split_parts_the_training_images_and_follows_its_seed(fashion_mnist: Path) -> None:
    everything = dataset.read(fashion_mnist, "train")
    train, validation = dataset.read_split(fashion_mnist, split(5000, 0))
    assert (len(train), len(validation)) == (55_000, 5000)
    both = torch.cat([train.pixels, validation.pixels]).flatten(1)
    whole = everything.pixels.flatten(1)
    assert torch.equal(both.long().sum(0), whole.long().sum(0))
    assert sorted(map(hash, map(bytes, both.numpy()))) == sorted(
        map(hash, map(bytes, whole.numpy()))
    )
    again, _ = dataset.read_split(fashion_mnist, split(5000, 0))
    other, _ = dataset.read_split(fashion_mnist, split(5000, 1))
    assert torch.equal(again.pixels, train.pixels)
    assert not torch.equal(other.pixels, train.pixels)


def test_the_split_is_drawn_as_documented(fashion_mnist: Path) -> None:
    """Another split would be another validation set, for the committed run too."""
    digest = hashlib.blake2b(b"7/split", digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    order = torch.randperm(60_000, generator=generator)
    everything = dataset.read(fashion_mnist, "train")
    train, validation = dataset.read_split(fashion_mnist, split(5000, 7), train_images=100)
    assert torch.equal(validation.pixels, everything.pixels[order[:5000]])
    assert torch.equal(train.labels, everything.labels[order[5000:5100]])


def test_batches_hold_every_image_once_in_the_order_given() -> None:
    images = dataset.Images(torch.arange(10).view(10, 1, 1, 1), torch.arange(10))
    order = dataset.shuffled(10, 3, "order", 1)
    seen = [batch.labels for batch in dataset.batches(images, 4, order)]
    assert [len(labels) for labels in seen] == [4, 4, 2]
    assert torch.equal(torch.cat(seen), order)
    assert sorted(order.tolist()) == list(range(10))


def test_an_order_depends_on_every_part_of_its_seed() -> None:
    orders = {tuple(dataset.shuffled(20, *seed).tolist()) for seed in ((0, 1), (0, 2), (1, 1))}
    assert len(orders) == 3
    assert torch.equal(dataset.shuffled(20, 0, 1), dataset.shuffled(20, 0, 1))


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer", "magic"])
def test_a_damaged_file_is_named(fashion_mnist: Path, tmp_path: Path, damage: str) -> None:
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes((fashion_mnist / name).read_bytes())
    path = tmp_path / "t10k-images-idx3-ubyte"
    whole = path.read_bytes()
    altered = {
        "empty": b"",
        "begun": whole[:3],
        "truncated": whole[:-1],
        "longer": whole + b"0",
        "magic": b"x" + whole[1:],
    }
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(altered[damage])
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte is .*dvc repro download"):
        dataset.read(tmp_path, "t10k")


def test_colours_come_before_rows_and_columns(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (10, 9, 8, 3), dtype=torch.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(torch.arange(10).byte()))
    found = dataset.read(tmp_path, "train")
    assert found.pixels.shape == (10, 3, 9, 8)
    assert torch.equal(found.pixels[:, 1], images[..., 1])


@pytest.mark.parametrize(("shape", "labels"), [((10, 9, 9, 2), 10), ((10, 28, 28), 9)])
def test_files_that_do_not_fit_together_are_refused(
    tmp_path: Path, shape: tuple[int, ...], labels: int
) -> None:
    images, numbers = torch.zeros(shape).byte(), torch.zeros(labels).byte()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(numbers))
    message = rf"{labels} labels, got {re.escape(str(shape))}: run `dvc repro"
    with pytest.raises(InputError, match=message):
        dataset.read(tmp_path, "train")


def test_a_validation_split_that_leaves_nothing_to_train_on_is_refused(fashion_mnist: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.validation_images: expected fewer than"):
        dataset.read_split(fashion_mnist, split(60_000, 0))


@pytest.mark.parametrize("image_size", [8, 14, 27, 29, 64, 224])
def test_the_resize_has_the_bytes_of_torchs_own(image_size: int) -> None:
    """On CUDA under deterministic algorithms, F.interpolate takes another way."""
    pixels = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    expected = F.interpolate(
        pixels.float().div_(255).sub_(0.3).div_(0.4),
        size=(image_size, image_size),
        mode="bilinear",
        antialias=image_size < 28,
    )
    assert torch.equal(dataset.Transform(image_size, 0.3, 0.4)(pixels), expected)
