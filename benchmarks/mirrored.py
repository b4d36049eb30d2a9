"""`make bench-mirrored`: what averaging over an image and its mirror image is worth.

This is test-time augmentation: each network of the committed run answers twice, and the mean of the
probabilities counts. Nothing else in the project does so.
"""

import argparse
from dataclasses import replace

from torch import Tensor

from benchmarks import measure
from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import write_json
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import dataset_folder, root, weights_file
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.dataset.images import Images, read
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained


def accuracies(
    trained: Trained, images: Images, compute: Compute, batch_size: int
) -> dict[str, float]:
    """Return the test accuracy by the images, by their mirror images, and by the mean of both."""
    trained.network.to(compute.device)

    def probabilities(images: Images) -> Tensor:
        logits = predict(trained.network, images, trained.transform, compute, batch_size)
        return logits.softmax(dim=1).cpu()

    plain = probabilities(images)
    mirrored = probabilities(replace(images, pixels=images.pixels.flip(-1)))
    answers = {"plain": plain, "mirrored": mirrored, "mean of both": (plain + mirrored) / 2}
    return {
        name: (each.argmax(dim=1) == images.labels).double().mean().item()
        for name, each in answers.items()
    }


def main() -> None:
    """Measure each network, print the accuracies and write them to benchmarks/results."""
    argparse.ArgumentParser(prog="make bench-mirrored", description=__doc__).parse_args()
    settings = params.load().evaluate
    images, results = read(dataset_folder(), "t10k"), {}
    for model in MODELS:
        trained = weights.load(weights_file(model), model)
        compute = prepare(settings.device, trained.precision)
        results[model] = accuracies(trained, images, compute, settings.batch_size)
        print(model, *(f"{name} {value:.4f}" for name, value in results[model].items()), sep="  ")
    path = root() / "benchmarks/results/mirrored.json"
    write_json(path, {"made_with": measure.made_with(compute), "test_accuracy": results})


if __name__ == "__main__":
    run(main)
