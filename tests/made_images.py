"""IDX files made for tests, in place of a user's own images."""

import struct
from pathlib import Path

import torch
from torch import Tensor


def idx(values: Tensor) -> bytes:
    """Return the IDX file of a uint8 tensor."""
    header = bytes([0, 0, 8, values.dim()]) + struct.pack(f">{values.dim()}I", *values.shape)
    return header + values.numpy().tobytes()


def write_folder(folder: Path, classes: int = 10, **pixels: Tensor) -> Path:
    """Make a folder of the four files from images, labelled 0 to 9 in turn.

    Args:
        folder: must not exist.
        classes: how many labels take turns.
        pixels: images by subset, `train` and `t10k`.
    """
    folder.mkdir(parents=True)
    for subset, images in pixels.items():
        labels = torch.arange(len(images)).remainder(classes).to(torch.uint8)
        (folder / f"{subset}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{subset}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder
