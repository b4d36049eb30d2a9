"""The IDX format of the dataset's files."""

import math

import numpy as np

from fashion_cnn.base.errors import InputError

# Of the four dimensions that colour images have.
LONGEST_HEADER = 20


def sizes(content: bytes) -> list[int]:
    """Return the size of each dimension of an IDX file of unsigned bytes, read from its header.

    Raises:
        InputError: this is no such header.

    Source: LeCun, Cortes & Burges, "The MNIST database", file format.
    """
    dimensions = content[3] if len(content) > 3 else 0
    if content[:3] != bytes([0, 0, 8]) or not dimensions or len(content) < 4 + 4 * dimensions:
        raise InputError("expected an IDX file of bytes")
    return np.frombuffer(content, dtype=">u4", count=dimensions, offset=4).tolist()


def num_bytes(header: bytes) -> int:
    """Return the length of the IDX file that begins with `header`; raises as `sizes` does."""
    shape = sizes(header)
    return 4 + 4 * len(shape) + math.prod(shape)


def decode(content: bytes, *dimensions: int) -> np.ndarray:
    """Return the uint8 array that an IDX file of unsigned bytes holds, as a read-only view.

    Args:
        content: of the file: magic number, one big-endian 32-bit size per dimension, values.
        dimensions: how many the array may have.

    Raises:
        InputError: the header or the length does not fit.
    """
    expected = " or ".join(map(str, dimensions))
    try:
        shape = sizes(content)
    except InputError:
        shape = []
    if len(shape) not in dimensions:
        raise InputError(f"expected an IDX file of bytes in {expected} dimension(s)")
    if 0 in shape:
        raise InputError(f"expected at least one value, got the sizes {shape}")
    if len(content) != (length := num_bytes(content)):
        raise InputError(f"expected {length} bytes, got {len(content)}")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def encode(values: np.ndarray) -> bytes:
    """Return the content of the IDX file that holds a uint8 array."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    return header + values.astype(np.uint8, copy=False).tobytes()
