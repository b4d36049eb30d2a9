"""The IDX format of the dataset's files."""

import math

import numpy as np

from fashion_cnn.base.errors import InputError


def decode(content: bytes, dimensions: int) -> np.ndarray:
    """Return the uint8 array that an IDX file of unsigned bytes holds, as a read-only view.

    Args:
        content: of the file: magic number, one big-endian 32-bit size per dimension, values.
        dimensions: how many the array must have.

    Raises:
        InputError: the header or the length does not fit.

    Source: LeCun, Cortes & Burges, "The MNIST database", file format.
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise InputError(f"expected an IDX file of bytes in {dimensions} dimension(s)")
    sizes = np.frombuffer(content[4:header], dtype=">u4").tolist()
    if 0 in sizes:
        raise InputError(f"expected at least one value, got the sizes {sizes}")
    if len(content) != (expected := header + math.prod(sizes)):
        raise InputError(f"expected {expected} bytes, got {len(content)}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)
