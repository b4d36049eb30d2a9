"""A trained network -> an ONNX file that takes the data set's images as they are."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from fashion_cnn.base.files import written_atomically
from fashion_cnn.dataset.images import Transform
from fashion_cnn.trained.weights import Trained

OPSET = 20


class FromPixels(nn.Module):
    """Pixels (N, C, H, W) uint8 -> logits (N, classes): the transform, then the network."""

    def __init__(self, network: nn.Module, transform: Transform) -> None:
        super().__init__()
        self.network = network
        self.transform = transform

    def forward(self, images: Tensor) -> Tensor:
        """Scale, normalise, resize and classify `images`."""
        return self.network(self.transform(images))


def write_onnx(path: Path, trained: Trained) -> None:
    """Write the transform and the network, in float32, as one ONNX file, atomically.

    The input `images` is uint8 in [0, 255], (N, 1, 28, 28) for Fashion-MNIST, for any N of at least
    1; the output `logits` is (N, classes) float32. The metadata are JSON: the classes in order, the
    transform (which is part of the graph), and how the network was trained.
    """
    model = FromPixels(trained.network, trained.transform).eval()
    # Two images: with one, torch would fix the batch size at 1.
    images = torch.zeros(2, trained.kind.channels, *trained.kind.size, dtype=torch.uint8)
    program = torch.onnx.export(
        model,
        (images,),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images": {0: torch.export.Dim("N", min=1)}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    # What torch notes at each node contains paths of this machine.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    about = {
        "classes": trained.kind.classes,
        "transform": asdict(trained.transform),
        "recipe": dict(trained.recipe),
        "made_with": dict(trained.made_with),
    }
    program.model.metadata_props.update(
        {name: json.dumps(value, sort_keys=True) for name, value in about.items()}
    )
    with written_atomically(path) as unfinished:
        program.save(unfinished, external_data=False)
