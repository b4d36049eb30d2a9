"""Arrays for a page: one after the other, compressed, as text."""

import base64
import zlib
from typing import Any

import torch
from torch import Tensor

TYPES = {torch.float32: "float32", torch.float16: "float16", torch.uint8: "uint8"}


class Packed:
    """Arrays in one text; what `add` returns says where each lies."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._end = 0

    def add(self, tensor: Tensor) -> dict[str, Any]:
        """Add a float32, float16 or uint8 tensor; return its offset in bytes, type and shape.

        The first bytes of all its values come first, then the second ones: alike, they take less.
        """
        flat = tensor.detach().contiguous().reshape(-1, 1).view(torch.uint8)
        content = flat.T.contiguous().numpy().tobytes()
        reference = {
            "offset": self._end,
            "type": TYPES[tensor.dtype],
            "shape": [*tensor.shape],
        }
        self._parts.append(content)
        self._end += len(content)
        return reference

    def text(self) -> str:
        """Return the arrays as base64 of zlib's format."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")
