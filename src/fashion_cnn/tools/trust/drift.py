"""How far new images are from those that a model was trained on: labels, pixels, confidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import chi2_contingency, ks_2samp
from tabulate import tabulate
from torch import Tensor

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_text
from fashion_cnn.base.params import Dataset
from fashion_cnn.base.paths import dataset_folder, root, weights_file
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.core.gpu_lock import own_gpu
from fashion_cnn.dataset.images import Images, read, read_split
from fashion_cnn.dataset.kind import Kind, read_kind
from fashion_cnn.sources import picture_folder
from fashion_cnn.tools.trust.judging import Verdict
from fashion_cnn.tools.trust.rules import DriftRule
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained

ISSUE = Path("runs") / "drift_issue.md"
"""What CI opens an issue with, where gate.yaml says so."""


@dataclass(frozen=True)
class Drift:
    """One measure of both data sets, and how far apart they are.

    distance: in [0, 1], 0 where they are equal. p_value: how likely chance alone sets equal
    distributions this far apart. Among tens of thousands of images even a negligible distance has
    a tiny p-value, so look at both.
    """

    measure: str
    training: float
    new: float
    distance: float
    p_value: float


def report(folder: Path, model: str) -> str:
    """Compare new images with the training images; write the table to runs/drift.md, return it."""
    table = tabulate(
        [vars(drift) for drift in measure(folder, model)], headers="keys", tablefmt="github"
    )
    write_text(root() / "runs" / "drift.md", table + "\n")
    return table


def judge(rules: Mapping[str, DriftRule]) -> list[Verdict]:
    """Return the verdict on each distance that gate.yaml limits; write ISSUE for CI where it says.

    Raises:
        InputError: images cannot be read or compared.
    """
    issue = root() / ISSUE
    issue.unlink(missing_ok=True)
    verdicts, lines = [], []
    for folder, rule in rules.items():
        distances = {each.measure: each.distance for each in measure(root() / folder, rule.model)}
        for name, most in rule.max_distance.items():
            distance, fault, note = distances.get(name), "", ""
            if distance is None:
                fault = f"no measure of drift: expected one of {', '.join(distances)}"
            elif distance > most:
                fault = "drifted too far from the training images"
                lines.append(f"- {folder}: {name} {fault}: {distance:.3f}, at most {most}")
                if rule.action == "issue":
                    fault, note = "", f"{fault}: CI opens an issue"
            verdicts.append(
                Verdict(folder, f"drift of {name}", f"<= {most}", distance, None, fault, note)
            )
    if any("issue" in each.note for each in verdicts):
        write_text(issue, "\n".join(lines) + "\n")
    return verdicts


def measure(folder: Path, model: str) -> list[Drift]:
    """Compare new images with the training images.

    Args:
        folder: a folder of pictures per class, alone or in train/ and test/; or IDX files, of
            which those to train on are read.
        model: the network whose confidence is compared, on images that it was not trained on.

    Raises:
        InputError: a file of either folder, or the model's weights, cannot be read.
    """
    values = params.load()
    kind, _ = read_kind(dataset_folder())
    new = _read_idx(folder)
    if new is None:
        new = read_pictures(folder, kind, values.dataset)
    training, validation = read_split(dataset_folder(), values.dataset)
    check_same_kind(training, new)
    trained = weights.load(weights_file(model), model)
    compute = prepare(values.evaluate.device, trained.precision)
    return [
        labels(training, new),
        *pixels(training, new),
        confidence(trained, validation, new, compute, values.evaluate.batch_size),
    ]


def _read_idx(folder: Path) -> Images | None:
    """Read the IDX files of a user's own folder; return None where it has none."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder: give a folder that holds the new images, by class"
        )
    if folder.resolve() == Path(folder.resolve().anchor):
        raise InputError(
            f"expected a folder that holds the new images, got the whole disk: {folder}"
        )
    if not any(folder.glob("*-ubyte*")):
        return None
    names = "train-images-idx3-ubyte and train-labels-idx1-ubyte"
    return read(folder, "train", f"give the new images as {names}, decompressed")


def read_pictures(folder: Path, kind: Kind, settings: Dataset) -> Images:
    """Read the pictures of a user's own folder, a folder per class, and make them of this kind.

    Raises:
        InputError: one cannot be read, or the training images lack a class.
    """
    as_trained = settings.model_copy(update={"image_size": kind.size[0]})
    try:
        classes, found = picture_folder.read(folder, as_trained, split=False)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as folders of pictures: {error}") from None
    if unknown := {*classes} - {*kind.classes}:
        raise InputError(
            f"{folder}: the training images have no class {', '.join(sorted(unknown))}: rename "
            f"the folders, or move them away"
        )
    values = torch.from_numpy(np.concatenate([each.images for each in found.values()]))
    pixels = values.unsqueeze(1) if values.ndim == 3 else values.permute(0, 3, 1, 2)
    if pixels.shape[1] < kind.channels:
        pixels = pixels.expand(-1, kind.channels, -1, -1)
    of_class = torch.tensor([kind.classes.index(name) for name in classes])
    labels = torch.from_numpy(np.concatenate([each.labels for each in found.values()]))
    return Images(pixels.contiguous(), of_class[labels.long()], kind.classes)


def check_same_kind(training: Images, new: Images) -> None:
    """Check that both have the same classes, channels and size.

    Raises:
        InputError: they have not, and cannot be compared.
    """
    if new.kind != training.kind:
        raise InputError(
            f"the new images are of another kind: {new.kind.describe()}, not "
            f"{training.kind.describe()}"
        )


def labels(training: Images, new: Images) -> Drift:
    """Compare how often each class occurs: total variation distance, chi-squared test.

    `training` and `new` are the share of the most frequent class.
    """
    counts = np.stack(
        [
            np.bincount(each.labels.numpy(), minlength=len(training.classes))
            for each in (training, new)
        ]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    # The test cannot take a class that neither has.
    p_value = float(chi2_contingency(counts[:, counts.any(axis=0)]).pvalue)
    return Drift("largest label share", shares[0].max(), shares[1].max(), distance, p_value)


def pixels(training: Images, new: Images) -> list[Drift]:
    """Compare the images' brightness and contrast, in [0, 1], by the Kolmogorov-Smirnov test."""
    both = [each.pixels.flatten(1).float().div(255) for each in (training, new)]
    return [
        _distance("brightness", *(images.mean(1) for images in both)),
        _distance("contrast", *(images.std(1) for images in both)),
    ]


def confidence(
    trained: Trained, unseen: Images, new: Images, compute: Compute, batch_size: int
) -> Drift:
    """Compare a network's highest probability for each image, by the Kolmogorov-Smirnov test.

    `unseen` are images of its own data set that it was not trained on. The network moves to the
    compute device.
    """
    with own_gpu(compute) as held:
        network = trained.network.to(held.device)
        batch_size = trained.batch_size(batch_size, held.device)
        highest = [
            predict(network, images, trained.transform, held, batch_size).softmax(1).amax(1).cpu()
            for images in (unseen, new)
        ]
    return _distance("confidence", *highest)


def _distance(measure: str, training: Tensor, new: Tensor) -> Drift:
    """Compare two samples, (N,) and (M,): their means, and the distance of their distributions."""
    means = float(training.mean()), float(new.mean())
    test = ks_2samp(training.numpy(), new.numpy())
    return Drift(measure, *means, float(test.statistic), float(test.pvalue))
