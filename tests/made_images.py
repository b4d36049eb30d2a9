"""Images of one's own for tests: folders of the four IDX files."""

import struct
from pathlib import Path

import torch
from torch import Tensor


def idx(values: Tensor) -> bytes:
    """The IDX file of a uint8 tensor."""
    header = bytes([0, 0, 8, values.dim()]) + struct.pack(f">{values.dim()}I", *values.shape)
    return header + values.numpy().tobytes()


def write_folder(folder: Path, **pixels: Tensor) -> Path:
    """Make a folder of images (N, 28, 28) for `train` and for `t10k`, labelled 0 to 9 in turn."""
    folder.mkdir(parents=True)
    for subset, images in pixels.items():
        labels = torch.arange(len(images)).remainder(10).to(torch.uint8)
        (folder / f"{subset}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{subset}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder
