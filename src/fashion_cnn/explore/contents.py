"""What the page holds: networks, their training, test images, and the networks' answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.dataset.images import Images, batches
from fashion_cnn.explore.packing import Packed
from fashion_cnn.trained import tensor_files
from fashion_cnn.trained.tensor_files import DamagedError
from fashion_cnn.trained.weights import Trained

MAX_WEIGHT_BYTES = 5_000_000
EXCITING = 3
SUREST_MISTAKES = 40
BATCH_SIZE = 500


def load_epochs(path: Path, network: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and the tensors (epochs, ...) float16 of LeNet's epochs.

    Raises:
        InputError: the file is missing, damaged, or of another network.
    """
    hint = "make it with `dvc repro train_lenet`"
    if not path.is_file():
        raise InputError(f"{path} is missing: {hint}")
    try:
        description, tensors = tensor_files.read(path)
    except DamagedError as error:
        raise InputError(f"{path} is damaged or not from this project ({error}): {hint}") from None
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    if tensors and {name: rows.shape[1:] for name, rows in tensors.items()} != shapes:
        raise InputError(f"{path} does not fit the network: {hint}")
    return description, tensors


def leaves(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers that change their input in evaluation, in the order of the forward pass."""
    for name, module in network.named_modules():
        if not [*module.children()] and not isinstance(module, nn.Dropout):
            yield name, module


def fits(trained: Trained) -> bool:
    """Return whether a network's weights are small enough for the page."""
    size = sum(value.nbytes for value in trained.network.state_dict().values())
    return size <= MAX_WEIGHT_BYTES


def describe(trained: Trained, packed: Packed) -> dict[str, Any]:
    """Return a network's transform and layers as JSON values, its weights packed as float32."""
    return {
        "image_size": trained.transform.image_size,
        "mean": trained.transform.mean,
        "standard_deviation": trained.transform.standard_deviation,
        "layers": [_layer(name, module, packed) for name, module in leaves(trained.network)],
    }


def _layer(name: str, module: nn.Module, packed: Packed) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    match module:
        case nn.Conv2d():
            sizes = {
                "kernel": module.kernel_size[0],
                "stride": module.stride[0],
                "padding": int(module.padding[0]),
                "dilation": module.dilation[0],
            }
        case nn.MaxPool2d():
            sizes = {"kernel": module.kernel_size, "stride": module.stride}
            sizes |= {"padding": 0, "dilation": 1}
    tensors = {key: packed.add(value.detach()) for key, value in module.named_parameters()}
    return {"name": name, "kind": type(module).__name__} | sizes | tensors


class Answers:
    """What a network answers to the test images, and which of them excite each channel most."""

    @torch.inference_mode()
    def __init__(self, trained: Trained, images: Images) -> None:
        """Run the network on all images, in float32 on the CPU."""
        logits, peaks = [], dict[str, list[Tensor]]()
        for batch in batches(images, BATCH_SIZE):
            values = trained.transform(batch.pixels)
            for name, module in leaves(trained.network):
                values = module(values)
                if isinstance(module, nn.Conv2d):
                    peaks.setdefault(name, []).append(values.amax(dim=(2, 3)))
            logits.append(values)
        probabilities = torch.cat(logits).softmax(dim=1)
        self.confidence, self.predicted = probabilities.max(dim=1)
        self.right = self.predicted == images.labels
        self.exciting = {name: _strongest(torch.cat(rows)) for name, rows in peaks.items()}

    def surest_mistakes(self) -> list[int]:
        """Return the images that the network got wrong with the highest probability."""
        sureness = self.confidence.masked_fill(self.right, -1)
        order = sureness.sort(descending=True, stable=True).indices[:SUREST_MISTAKES]
        return [int(index) for index in order if not self.right[index]]


def _strongest(peaks: Tensor) -> list[list[int]]:
    """Return, for each channel of (N, C), the images with the highest peaks above 0."""
    values, order = peaks.sort(dim=0, descending=True, stable=True)
    rows = zip(order[:EXCITING].T.tolist(), values[:EXCITING].T.tolist(), strict=True)
    return [[i for i, peak in zip(*row, strict=True) if peak > 0] for row in rows]


def gallery(images: Images, answers: Mapping[str, Answers], count: int) -> list[int]:
    """Return which test images the page holds, in their order.

    They are all that it names, and the first of each class, until there are `count`.
    """
    named = {
        index
        for each in answers.values()
        for index in each.surest_mistakes()
        + [i for c in each.exciting.values() for r in c for i in r]
    }
    places = torch.zeros(len(images), dtype=torch.int64)
    for label in range(len(images.classes)):
        (found,) = (images.labels == label).nonzero(as_tuple=True)
        places[found] = torch.arange(len(found))
    for index in places.argsort(stable=True).tolist():
        if len(named) >= count:
            break
        named.add(index)
    return sorted(named)


def training(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], packed: Packed
) -> dict[str, Any]:
    """Return LeNet's epochs: their numbers and curve, and their weights packed as float16."""
    weights = {name: packed.add(rows) for name, rows in tensors.items()}
    return {**description, "weights": weights}


def collect(
    networks: Mapping[str, Trained],
    answers: Mapping[str, Answers],
    epochs: tuple[Mapping[str, Any], Mapping[str, Tensor]],
    images: Images,
    count: int,
) -> tuple[dict[str, Any], Packed]:
    """Return all that the page holds: JSON values, and the arrays that they point to.

    Args:
        networks: by model.
        answers: of the networks that the page holds.
        epochs: the description and the tensors of LeNet's epochs.
        images: the test images.
        count: how many of them the page holds.
    """
    packed = Packed()
    chosen = gallery(images, answers, count)
    place = {index: number for number, index in enumerate(chosen)}
    contents = {
        "classes": images.classes,
        "networks": {model: describe(networks[model], packed) for model in answers},
        "left_out": [model for model in MODELS if model not in answers],
        "training": training(*epochs, packed) if "lenet" in answers else None,
        "tested": len(images),
        "images": {
            "pixels": packed.add(images.pixels[chosen]),
            "indices": chosen,
            "labels": images.labels[chosen].tolist(),
        },
        "answers": {
            model: {
                "accuracy": float(each.right.double().mean()),
                "predicted": each.predicted[chosen].tolist(),
                "confidence": [round(value, 3) for value in each.confidence[chosen].tolist()],
                "surest_mistakes": [place[index] for index in each.surest_mistakes()],
                "exciting": {
                    name: [[place[index] for index in row] for row in rows]
                    for name, rows in each.exciting.items()
                },
            }
            for model, each in answers.items()
        },
    }
    return contents, packed
