"""IDX files as their format says, and what the images of a data set have in common."""

from pathlib import Path

import numpy as np
import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset import idx
from fashion_cnn.dataset.kind import FASHION_MNIST, Kind, read_kind


def test_a_file_is_that_of_the_format() -> None:
    values = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    # Two zeros, 8 for bytes, the number of dimensions, each size in four bytes, the values.
    content = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 2, 3, 4, 5])
    assert idx.encode(values) == content
    assert idx.decode(content, 3).tolist() == values.tolist()


def test_a_kind_is_described_in_a_line() -> None:
    some = "T-shirt/top, Trouser, Pullover, ..."
    assert FASHION_MNIST.describe() == f"28x28 pixels in grey of 10 classes ({some})"
    three = Kind(("a", "b", "c"), 3, (32, 48))
    assert three.describe() == "32x48 pixels in colour of 3 classes (a, b, c)"


def test_the_kind_is_read_from_the_training_images(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    with pytest.raises(InputError, match=r"can't be read .*: run `dvc repro download`"):
        read_kind(tmp_path)
    path.write_bytes(idx.encode(np.zeros((5, 8, 6), dtype=np.uint8)))
    assert read_kind(tmp_path) == (Kind(FASHION_MNIST.classes, 1, (8, 6)), 5)
    path.write_bytes(idx.encode(np.zeros((4, 8, 6, 3), dtype=np.uint8)))
    (tmp_path / "classes.txt").write_text("cat\n dog \n\n")
    assert read_kind(tmp_path) == (Kind(("cat", "dog"), 3, (8, 6)), 4)
