"""`make bench-gpu`: time whole epochs of the three networks on a CUDA GPU.

The first epoch, which includes warm-up and compilation, is reported separately.

Without .venv, run it like this; FOLDER holds the four decompressed IDX files:

  pip install torch torchvision pydantic ruamel.yaml safetensors tensorboard matplotlib tqdm
  PYTHONPATH=src python -m benchmarks.gpu --data FOLDER

Without torchvision, `--models lenet vgg --tutorial-steps 0` still runs.
"""

import argparse
import gc
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import measure, ours
from benchmarks.measure import Result
from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.params import Dataset, Params
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.base.recipes import Recipe
from fashion_cnn.core.compute import Compute, prepare
from fashion_cnn.dataset.images import Images, read
from fashion_cnn.tools import presets
from fashion_cnn.training.memory import reserved_memory

# On an H200, for a network, image size and images per epoch: the goals for images/s and seconds.
GOALS = {
    ("vgg11", 224, 60_000): ("at least 10,000 images/s", ""),
    ("vgg", 224, 60_000): ("", "at most 1.5 s per epoch"),
    ("lenet", 28, 60_000): ("", "at most 0.15 s per epoch"),
}
STEPS = ("plain", "compiled")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and write it to benchmarks/results under the device's name."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--preset", choices=presets.names(), default="gpu", help="default: gpu")
    for model in MODELS:
        parser.add_argument(f"--{model}-batch-size", type=int, help="default: the preset's")
    parser.add_argument(
        "--step",
        nargs="+",
        choices=STEPS,
        default=[*STEPS],
        help="how to run a step: as written, or with torch.compile; on CUDA, both as a CUDA graph "
        "(default: both)",
    )
    parser.add_argument("--epochs", type=int, default=3, help="after the first (default: 3)")
    parser.add_argument("--images", type=int, default=60_000, help="per epoch (default: all)")
    parser.add_argument("--device", default="cuda", help="default: cuda; cpu to try the code")
    parser.add_argument(
        "--tutorial-steps",
        type=int,
        default=100,
        help="steps of each network the tutorial's way, in its batches (default: 100)",
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="use deterministic algorithms only"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the IDX files (default: data/fashion_mnist)"
    )
    parser.add_argument("--output", type=Path, default=root() / "benchmarks/results")
    given = parser.parse_args(arguments)
    if given.epochs < 1:
        parser.error("--epochs: expected at least 1")

    values = ours.preset(given.preset)
    training = read(given.data or dataset_folder(), "train")[: given.images]
    results = []
    for model in given.models:
        theirs = tutorials_way(model, values, given) if given.tutorial_steps else None
        results += [theirs] if theirs else []
        for step in given.step:
            changes = {
                "batch_size": getattr(given, f"{model}_batch_size")
                or values.recipe(model).batch_size,
                "epochs": 1 + given.epochs,
                "compile": step != "plain",
            }
            recipe = getattr(params.replace(values, model, **changes), model)
            compute = prepare(given.device, recipe.precision, deterministic=given.deterministic)
            images = training.to(compute.device)
            results += epochs(model, recipe, values.dataset, images, compute, step, theirs)
            name = re.sub(r"\W+", "-", compute.identity()["device"]).lower()
            # Keep what is measured so far, in case the next one does not fit or compile.
            measure.write(results, compute, given.output / name)
    print(measure.table(results))
    print(
        "goals on an H200, open until they are measured on one: "
        + "; ".join(
            f"{model} at {size} pixels {' '.join(filter(None, goal))}"
            for (model, size, _), goal in GOALS.items()
        )
    )


def tutorials_way(model: str, values: Params, given: argparse.Namespace) -> Result:
    """Time the tutorial's way of training a network, in its batches, in a process of its own."""
    from benchmarks import tutorial  # noqa: PLC0415 (torchvision may be missing)

    recipe, batch_size = values.recipe(model), 4 if model == "lenet" else 64
    speed = tutorial.in_own_process(
        tutorial.images_per_second,
        model,
        given.data or dataset_folder(),
        recipe.architecture(),
        batch_size,
        warm_up=10,
        steps=given.tutorial_steps,
        device=given.device,
    )
    print(f"{model}, the tutorial's way: {speed:.0f} images/s", flush=True)
    name = f"{model}, {recipe.image_size} pixels, batch {batch_size}, float32"
    return Result(name, "images/s, the tutorial's way, with loading", [speed])


def epochs(
    model: str,
    recipe: Recipe,
    dataset: Dataset,
    training: Images,
    compute: Compute,
    step: str,
    theirs: Result | None = None,
) -> list[Result]:
    """Time the epochs of one network; `step` is one of STEPS, `theirs` the tutorial's speed."""
    torch.compiler.reset()
    gc.collect()
    if compute.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(compute.device)
    try:
        # Not the network, whose memory the next one needs.
        first, *seconds = ours.train(model, recipe, dataset, training, compute)[1]
    except torch.OutOfMemoryError:
        raise InputError(
            f"{model}: out of the device's memory: lower --{model}-batch-size"
        ) from None
    # Before the probe below, whose matrices are larger than all that LeNet takes.
    cuda = compute.device.type == "cuda"
    reserved = torch.cuda.max_memory_reserved(compute.device) if cuda else 0
    print(
        f"{model}, {step}: first epoch {first:.1f} s, then {min(seconds):.3g} s per epoch",
        flush=True,
    )
    precision = str(compute.dtype).removeprefix("torch.")
    speeds = [len(training) / each for each in seconds]
    peak, flops = measure.peak(compute.device), ours.flops(model, recipe)
    name = f"{model}, {recipe.image_size} pixels, batch {recipe.batch_size}, {precision}, {step}"
    speed_goal, seconds_goal = GOALS.get((model, recipe.image_size, len(training)), ("", ""))
    memory = []
    if cuda:
        estimate = reserved_memory(ours.layers(model, recipe), recipe, compute.precision)
        # The estimate leaves out the data set.
        estimate += training.pixels.nbytes + training.labels.nbytes
        memory = [
            Result(name, "GB of memory reserved at the peak", [reserved / 1e9]),
            Result(name, "memory reserved against the estimate", [reserved / estimate]),
        ]
    ratios = [speed / theirs.values[0] for speed in speeds] if theirs else []
    return [
        *memory,
        Result(name, "images/s", speeds, speed_goal),
        *([Result(name, "ours / the tutorial's way", ratios)] if ratios else []),
        Result(name, f"s per epoch of {len(training):,}", seconds, seconds_goal),
        Result(name, "s of the first epoch, with warm-up and compilation", [first]),
        Result(name, "share of the bfloat16 peak", [flops * speed / peak for speed in speeds]),
    ]


if __name__ == "__main__":
    run(main)
