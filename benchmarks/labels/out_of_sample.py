"""What networks that were not trained on an image say of it: for every image of the data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import ours
from fashion_cnn.base import params
from fashion_cnn.base.files import written_atomically
from fashion_cnn.base.params import Params
from fashion_cnn.core.compute import Compute, derive_seed
from fashion_cnn.dataset.images import Images, Transform, shuffled
from fashion_cnn.trained.inference import predict

# Short recipes: each network is trained once per fold. Of the preset `cpu`, they change this.
SHORT = {
    "lenet": {"epochs": 10, "batch_size": 256, "learning_rate": 0.004, "precision": "float32"},
    "vgg": {"epochs": 5, "batch_size": 256, "learning_rate": 0.002, "precision": "float32"},
}
BATCH_SIZE = 500


def recipes(models: Sequence[str]) -> Params:
    """Return the parameters that the networks are trained by."""
    values = ours.preset("cpu")
    for model in models:
        values = params.replace(values, model, **SHORT[model])
    return values


def probabilities(
    model: str,
    values: Params,
    folds: int,
    training: Images,
    test: Images,
    compute: Compute,
    kept: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a network per fold, each with a seed of its own, on the images of all other folds.

    Args:
        model: which network.
        values: its recipe, and how pixels are scaled.
        folds: into how many parts the training images are split at random.
        training: N images.
        test: M images.
        compute: device and precision.
        kept: folder of the folds that a stopped run has finished.

    Returns:
        (N, classes) and (M, classes) float32: a training image's probabilities by the one network
        that was not trained on it; a test image's, the mean over all networks.
    """
    order = shuffled(len(training), values.dataset.split_seed, "folds")
    of_training = np.empty((len(training), len(training.classes)), np.float32)
    of_test = []
    for fold in range(folds):
        held_out = torch.zeros(len(training), dtype=torch.bool)
        held_out[order[fold::folds]] = True
        recipe = getattr(params.replace(values, model, seed=fold), model)
        parts = (repr(recipe), repr(values.dataset), fold, folds, len(training), len(test))
        path = kept / f"{model}-{derive_seed(*parts):016x}.npz"
        if not path.exists():
            network, _ = ours.train(model, recipe, values.dataset, training[~held_out], compute)
            transform = Transform(
                recipe.image_size, values.dataset.mean, values.dataset.standard_deviation
            )
            out = [
                predict(network, images, transform, compute, BATCH_SIZE).softmax(dim=1).numpy()
                for images in (training[held_out], test)
            ]
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_atomically(path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, held_out=out[0], test=out[1])
        with np.load(path) as arrays:
            of_training[held_out.numpy()] = arrays["held_out"]
            of_test.append(arrays["test"])
        print(f"{model}: fold {fold + 1} of {folds} is done", flush=True)
    return of_training, np.mean(of_test, axis=0)
