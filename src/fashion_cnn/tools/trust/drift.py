"""How far new images are from those that a model was trained on: labels, pixels, confidence."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp
from tabulate import tabulate
from torch import Tensor

from fashion_cnn.base.compute import Compute, prepare
from fashion_cnn.base.files import write_text
from fashion_cnn.base.params import Params
from fashion_cnn.base.paths import dataset_folder, root, weights_file
from fashion_cnn.dataset.images import CLASSES, Images, read, read_split
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained


@dataclass(frozen=True)
class Drift:
    """One measure of both data sets, and how far apart they are.

    distance: in [0, 1], 0 for the same. p_value: that as far apart by chance; with tens of
    thousands of images, no distance is too small to be sure of, so look at both.
    """

    measure: str
    training: float
    new: float
    distance: float
    p_value: float


def report(folder: Path, model: str, params: Params) -> str:
    """Compare the training images of an IDX folder with this project's; write runs/drift.md.

    Args:
        folder: of new images, in four IDX files named as Fashion-MNIST's.
        model: whose confidence is compared, on images that it was not trained on.
        params: of the split, and where to compute.

    Raises:
        InputError: a file of either folder, or the model's weights, cannot be read.
    """
    training, validation = read_split(dataset_folder(), params.dataset)
    new = read(folder, "train")
    trained = weights.load(weights_file(model), model)
    values = params.evaluate
    compute = prepare(values.device, values.precision)
    found = [
        labels(training, new),
        *pixels(training, new),
        confidence(trained, validation, new, compute, values.batch_size),
    ]
    table = tabulate([vars(drift) for drift in found], headers="keys", tablefmt="github")
    write_text(root() / "runs" / "drift.md", table + "\n")
    return table


def labels(training: Images, new: Images) -> Drift:
    """Compare the shares of the classes: total variation distance, chi-squared test.

    The largest share of a class stands for each data set.
    """
    counts = np.stack(
        [np.bincount(each.labels.numpy(), minlength=len(CLASSES)) for each in (training, new)]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    # A class that neither has says nothing, and the test cannot take it.
    p_value = float(chi2_contingency(counts[:, counts.any(axis=0)]).pvalue)
    return Drift("largest label share", shares[0].max(), shares[1].max(), distance, p_value)


def pixels(training: Images, new: Images) -> list[Drift]:
    """Compare images' mean brightness and contrast, in [0, 1]: Kolmogorov-Smirnov."""
    both = [each.pixels.flatten(1).float().div(255) for each in (training, new)]
    return [
        _distance("brightness", *(images.mean(1) for images in both)),
        _distance("contrast", *(images.std(1) for images in both)),
    ]


def confidence(
    trained: Trained, unseen: Images, new: Images, compute: Compute, batch_size: int
) -> Drift:
    """Compare a network's largest probabilities: Kolmogorov-Smirnov.

    Args:
        trained: the network, which moves to the compute device.
        unseen: images of its own data that it was not trained on.
        new: images of other data.
        compute: where and how.
        batch_size: images a batch.
    """
    network = trained.network.to(compute.device)
    largest = (
        predict(network, images, trained.transform, compute, batch_size).softmax(1).amax(1).cpu()
        for images in (unseen, new)
    )
    return _distance("confidence", *largest)


def _distance(measure: str, training: Tensor, new: Tensor) -> Drift:
    """Compare the distributions of two samples, (N,) and (M,), by their means and by all."""
    test = ks_2samp(training.numpy(), new.numpy())
    return Drift(
        measure,
        float(training.mean()),
        float(new.mean()),
        float(test.statistic),
        float(test.pvalue),
    )
