"""`make bench`: time training on the CPU, alternating with the tutorial's own way.

The VGGs are timed over a few steps. LeNet is trained to the accuracy of the tutorial's one epoch.
Its short recipe was chosen on validation images, and is long enough for every seed to get there.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, ours, tutorial
from benchmarks.measure import Result
from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.params import Params
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.dataset.images import Transform, read, read_split
from fashion_cnn.trained.inference import predict

SHORT_LENET = {
    "epochs": 1,
    "batch_size": 64,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "schedule": "one_cycle",
    "warmup_fraction": 0.3,
    "label_smoothing": 0.05,
    "precision": "float32",
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int = 3
    steps: int = 12
    vgg_image_size: int = 224
    vgg_batch_size: int = 64
    lenet_images: int = 36_000
    lenet_seeds: int = 3
    tutorial_lenet_images: int = 60_000


def main() -> None:
    """Measure, print the table and write it to benchmarks/results."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.parse_args()
    values, folder, sizes = ours.preset("cpu"), dataset_folder(), Sizes()
    results = [
        *lenet(values, folder, sizes),
        *reduced_vgg(values, folder, sizes),
        *vgg11(values, folder, sizes),
    ]
    print(measure.table(results))
    measure.write(results, prepare("cpu", "auto"), root() / "benchmarks/results/cpu")


def reduced_vgg(values: Params, folder: Path, sizes: Sizes) -> list[Result]:
    """Compare the reduced VGG's images per second at the tutorial's image and batch size."""
    values = params.replace(
        values, "vgg", image_size=sizes.vgg_image_size, batch_size=sizes.vgg_batch_size
    )
    recipe = values.vgg
    compute = prepare("cpu", recipe.precision)
    plain = ("vgg", folder, recipe.architecture(), recipe.batch_size, 3, sizes.steps)
    theirs, kept, mine, peaks = [], [], [], []
    for _ in range(sizes.rounds):
        theirs.append(tutorial.in_own_process(tutorial.images_per_second, *plain))
        # This process keeps freed memory for the next step, because `prepare` was called in it.
        kept.append(tutorial.images_per_second(*plain))
        speed, peak = _speed_and_peak("vgg", values, folder, sizes.steps, compute)
        mine.append(speed)
        peaks.append(peak)
        print(
            f"reduced VGG: {theirs[-1]:.0f} images/s the tutorial's way, {kept[-1]:.0f} with "
            f"freed memory kept, {speed:.0f} ours",
            flush=True,
        )
    name = f"reduced VGG, {recipe.image_size} pixels, batch {recipe.batch_size}"
    return [
        Result(name, "images/s, the tutorial's way, float32", theirs),
        Result(name, "images/s, the same with freed memory kept, as ours does", kept),
        Result(name, f"images/s, ours, {_precision(compute)}", mine),
        Result(name, "ours / the tutorial's", _ratios(mine, theirs), "at least 4"),
        Result(name, "ours / the same with freed memory kept", _ratios(mine, kept)),
        *_shares(name, ours.flops("vgg", recipe), mine, peaks, "at least 0.45"),
    ]


def vgg11(values: Params, folder: Path, sizes: Sizes) -> list[Result]:
    """Measure how close VGG-11, with the preset's recipe, comes to the machine's peak."""
    recipe = values.vgg11
    compute = prepare("cpu", recipe.precision)
    speeds, peaks = [], []
    for _ in range(sizes.rounds):
        speed, peak = _speed_and_peak("vgg11", values, folder, sizes.steps, compute)
        speeds.append(speed)
        peaks.append(peak)
        print(f"VGG-11: {speed:.0f} images/s", flush=True)
    name = f"VGG-11, {recipe.image_size} pixels, batch {recipe.batch_size}"
    return [
        Result(name, f"images/s, {_precision(compute)}", speeds),
        *_shares(name, ours.flops("vgg11", recipe), speeds, peaks, "at least 0.65"),
    ]


def lenet(values: Params, folder: Path, sizes: Sizes) -> list[Result]:
    """Compare the time of the tutorial's one epoch with a short training that is as accurate."""
    values = params.replace(values, "lenet", **SHORT_LENET)
    compute = prepare("cpu", values.lenet.precision)
    test = read(folder, "t10k")

    their_seconds, their_accuracy = tutorial.in_own_process(
        tutorial.lenet_epoch, folder, sizes.tutorial_lenet_images
    )
    print(
        f"LeNet: {their_seconds:.1f} s the tutorial's way, test accuracy {their_accuracy:.4f}",
        flush=True,
    )
    dataset = values.dataset.model_copy(update={"mean": 0.286, "standard_deviation": 0.353})
    transform = Transform(28, dataset.mean, dataset.standard_deviation)
    training = read_split(folder, dataset)[0][: sizes.lenet_images]
    seconds, accuracies = [], []
    for seed in range(sizes.lenet_seeds):
        recipe = params.replace(values, "lenet", seed=seed).lenet
        network, (epoch,) = ours.train("lenet", recipe, dataset, training, compute)
        seconds.append(epoch)
        right = predict(network, test, transform, compute, 500).argmax(dim=1) == test.labels
        accuracies.append(right.float().mean().item())
        print(f"LeNet: {epoch:.2f} s ours, test accuracy {accuracies[-1]:.4f}", flush=True)
    short = f"{len(training):,} images at batch {recipe.batch_size}"
    return [
        Result("LeNet", "s, the tutorial's epoch at batch 4", [their_seconds]),
        Result("LeNet", "test accuracy, the tutorial's", [their_accuracy]),
        Result("LeNet", f"s, ours, {short}", seconds),
        Result("LeNet", "test accuracy, ours", accuracies, "at least the tutorial's"),
        Result(
            "LeNet",
            "the tutorial's s / ours",
            _ratios([their_seconds] * len(seconds), seconds),
            "at least 25",
        ),
    ]


def _speed_and_peak(
    model: str, values: Params, folder: Path, steps: int, compute: Compute
) -> tuple[float, float]:
    """Return our images per second after a warm-up epoch, and the peak measured around it."""
    changes = {"schedule": "constant", "warmup_fraction": 0.0, "epochs": 2}
    values = params.replace(values, model, **changes)
    recipe = getattr(values, model)
    training = read_split(folder, values.dataset)[0][: steps * recipe.batch_size]
    before = measure.peak(compute.device)
    _, (_, seconds) = ours.train(model, recipe, values.dataset, training, compute)
    return len(training) / seconds, max(before, measure.peak(compute.device))


def _shares(
    name: str, flops: int, speeds: list[float], peaks: list[float], goal: str
) -> list[Result]:
    shares = _ratios([flops * speed for speed in speeds], peaks)
    return [
        Result(name, "GFLOP/s of bfloat16 matrix products", [peak / 1e9 for peak in peaks]),
        Result(name, "share of that in training", shares, goal),
    ]


def _ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    return [over / under for over, under in zip(numerators, denominators, strict=True)]


def _precision(compute: Compute) -> str:
    return str(compute.dtype).removeprefix("torch.")


if __name__ == "__main__":
    run(main)
