"""A user's own images in place of Fashion-MNIST: accepted, or refused with the reason."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Dataset
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.kind import Kind, read_kind
from fashion_cnn.sources.files import FILES, IdxFile
from fashion_cnn.sources.own_data import adopt
from tests.made_images import idx, write_folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of 30 training and 20 test images, one of its files compressed."""
    generator = torch.Generator().manual_seed(0)
    train, t10k = (
        torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=generator)
        for count in (30, 20)
    )
    folder = write_folder(tmp_path / "own" / "shop", train=train, t10k=t10k)
    packed = folder / "t10k-images-idx3-ubyte"
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    return folder


def test_they_replace_what_was_there(own: Path, tmp_path: Path) -> None:
    destination = tmp_path / "data"
    destination.mkdir()
    (destination / "old").touch()
    adopt(own, own.parent, destination, Dataset())
    assert len(list(destination.iterdir())) == 4
    for subset, count in (("train", 30), ("t10k", 20)):
        images = dataset.read(destination, subset)  # type: ignore[arg-type]
        assert len(images) == count
        assert images.labels.tolist() == [index % 10 for index in range(count)]


def test_colour_other_sizes_and_the_names_of_classes_arrive(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    train, t10k = (
        torch.randint(0, 256, (count, 9, 7, 3), dtype=torch.uint8, generator=generator)
        for count in (24, 12)
    )
    folder = write_folder(tmp_path / "own" / "shop", 12, train=train, t10k=t10k)
    names = tuple(f"number {index}" for index in range(12))
    (folder / "classes.txt").write_text("\n".join(names))
    adopt(folder, folder.parent, tmp_path / "data", Dataset())
    images = dataset.read(tmp_path / "data", "t10k")
    assert images.kind == Kind(names, 3, (9, 7))
    assert read_kind(tmp_path / "data") == (images.kind, 24)
    assert torch.equal(images.pixels, t10k.permute(0, 3, 1, 2))
    assert torch.equal(torch.from_numpy(dataset.displayed(images.pixels[3])), t10k[3])


def header(*sizes: int) -> bytes:
    """Return an IDX file that promises images of these sizes and ends there."""
    return bytes([0, 0, 8, 3]) + struct.pack(">3I", *sizes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", None, "holds neither train-images-idx3-ubyte nor"),
        (
            "train-images-idx3-ubyte",
            idx(torch.zeros(30, 32, 32).byte()),
            "images are (32, 32), the",
        ),
        ("train-images-idx3-ubyte", idx(torch.zeros(30, 9, 9, 2).byte()), "got (30, 9, 9, 2)"),
        ("classes.txt", b"one\n", "at least two classes, one a line"),
        ("classes.txt", b"one\ntwo\ntwo\n", "3 lines with 2 different names"),
        ("classes.txt", b"one\nindex\n", "no class may have the name 'index': rename it"),
        ("classes.txt", b"one\ntwo\n", "expected labels from 0 to 1, got 9"),
        ("classes.txt", b"\xff\n", "expected UTF-8 text"),
        ("train-images-idx3-ubyte", idx(torch.zeros(29, 28, 28).byte()), "30 labels, got (29, "),
        ("train-images-idx3-ubyte", b"", "expected an IDX file of bytes in 3 or 4 dimension(s)"),
        ("train-images-idx3-ubyte", idx(torch.zeros(30).byte()), "expected an IDX file of bytes"),
        ("t10k-labels-idx1-ubyte", idx(torch.zeros(20).byte())[:-1], "expected 28 bytes, got 27"),
        ("t10k-labels-idx1-ubyte", idx(torch.full((20,), 10).byte()), "from 0 to 9, got 10"),
        ("t10k-images-idx3-ubyte.gz", b"\x1f\x8b damaged", "damaged gzip"),
        ("train-images-idx3-ubyte", header(10**9, 1000, 1), "expected 1000000000016 bytes, got 16"),
        ("train-images-idx3-ubyte", header(2**32 - 1, 2**32 - 1, 0), "expected at least one value"),
    ],
)
def test_a_file_that_is_not_in_the_format_is_refused(
    own: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    (own / name).unlink(missing_ok=True)
    if content is not None:
        (own / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        adopt(own, own.parent, tmp_path / "data", Dataset())
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # 100 MB of zeros after 20 images, of which a single byte is unpacked.
        (idx(torch.zeros(20, 28, 28).byte()) + bytes(10**8), "expected 15696 bytes, got 15697"),
        (
            header(2**32 - 1, 2**32 - 1, 28) + bytes(10**8),
            "its header promises",
        ),
        (bytes(10**8), "expected an IDX file"),
    ],
    ids=["longer than its header", "a boundless header", "no header"],
)
def test_a_gzip_bomb_is_refused_without_being_unpacked(
    own: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (own / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        adopt(own, own.parent, tmp_path / "data", Dataset())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**7


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FILES), st.binary(min_size=1, max_size=24), st.integers(0, 200))
def test_a_file_with_other_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, file: IdxFile, content: bytes, place: int
) -> None:
    above = tmp_path_factory.mktemp("changed")
    pixels = torch.zeros(4, 5, 5, dtype=torch.uint8)
    folder = write_folder(above / "own" / "shop", train=pixels, t10k=pixels)
    path = folder / file.name
    whole = path.read_bytes()
    start = place % len(whole)
    path.write_bytes(whole[:start] + content + whole[start + len(content) :])
    try:
        adopt(folder, folder.parent, above / "data", Dataset())
    except InputError as error:
        assert str(folder) in str(error)  # noqa: PT017
        assert not (above / "data").exists()
    else:
        assert len(dataset.read(above / "data", "t10k")) == 4


@pytest.mark.parametrize(
    "elsewhere", ["", ".", "..", "../../etc", "/etc", "absent", "\0", "x" * 300, "link", "circle"]
)
def test_a_folder_that_dvc_does_not_watch_is_refused(
    own: Path, tmp_path: Path, elsewhere: str
) -> None:
    watched = own.parent / "watched"
    watched.mkdir()
    (watched / "link").symlink_to(own)
    (watched / "circle").symlink_to(watched / "circle")
    with pytest.raises(InputError, match=r"expected null or a folder in data/watched/, which DVC"):
        adopt(watched / elsewhere, watched, tmp_path / "data", Dataset())
