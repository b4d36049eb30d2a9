"""What an evaluation logs to TensorBoard."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from fashion_cnn.dataset.images import Images

# The projector first projects points of more dimensions than this by a method of its own.
DIMENSIONS = 100
# Of the event file, which lies beside the training's: one run for a model.
SUFFIX = ".evaluate"


def write(folder: Path, logits: Tensor, features: Tensor, images: Images) -> None:
    """Write the classes' precision-recall curves and a projector of the penultimate layer.

    Args:
        folder: of the model's run; what an earlier evaluation logged there is replaced.
        logits: (N, classes) float32.
        features: (M, D) float32 of the first M images, their points in the projector; of more than
            100 dimensions, the first 100 principal components are kept.
        images: the N images.
    """
    for path in folder.glob(f"events.*{SUFFIX}"):
        path.unlink()
    shutil.rmtree(folder / "00000", ignore_errors=True)  # the projector's points
    probabilities, count = logits.softmax(dim=1), len(features)
    classes = images.classes
    answers = zip(images.labels[:count], logits[:count].argmax(dim=1), strict=True)
    with SummaryWriter(folder, filename_suffix=SUFFIX) as writer:
        for number, name in enumerate(classes):
            curve = f"precision and recall/{name}"
            writer.add_pr_curve(curve, images.labels == number, probabilities[:, number])
        writer.add_embedding(
            _principal_components(features),
            [(classes[a], classes[p], "right" if a == p else "wrong") for a, p in answers],
            images.pixels[:count] / 255,
            tag="penultimate layer",
            metadata_header=["label", "predicted", "answer"],
        )


def write_hparams(
    folder: Path, model: str, recipe: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Write a row of the HPARAMS page, in a subfolder for this model and recipe.

    Args:
        folder: of all such rows; an earlier row of the same recipe is replaced.
        model: a module of fashion_cnn.models.
        recipe: the params that the model was trained with.
        metrics: of the test set.
    """
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
    row = folder / f"{model}-{digest}"
    shutil.rmtree(row, ignore_errors=True)
    # The first summary, the experiment's description, is left out: with it, TensorBoard would show
    # only the columns of the first row's model; without it, those of every row.
    # TensorBoard sorts the columns by name: brackets stand before letters.
    _, start, end = hparams({"(model)": model, "(recipe)": digest} | _flat(recipe), {})
    with SummaryWriter(row) as writer:
        for summary in (start, end):
            writer.file_writer.add_summary(summary)
        for name, value in metrics.items():
            writer.add_scalar(f"test/{name}", value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, float | str]:
    """Flatten {a: {b: 1}} to {a.b: 1}; values other than numbers become text."""
    flat: dict[str, float | str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            flat[prefix + key] = value if number else str(value)
    return flat


def _principal_components(features: Tensor) -> Tensor:
    """Project features (M, D) onto the `DIMENSIONS` axes of most variance, if D is larger."""
    if features.shape[1] <= DIMENSIONS:
        return features
    centred = features - features.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    return centred @ axes[:DIMENSIONS].T
