"""`make golden`: write the losses of each network's first steps to tests/golden/DEVICE.json.

They guard changes of the code: the same kind of device with the same versions gives them bit for
bit. Elsewhere, sums are in another order and dropout may draw other numbers, so that only the means
of ten steps are compared, to within TOLERANCE.

The recipes are the smoke preset's, in float32 on one thread, with as many images as STEPS take.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from fashion_cnn.base import models, params
from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.files import write_json
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.core.compute import Compute, prepare, seeded
from fashion_cnn.dataset.images import Transform, read_split
from fashion_cnn.tools import presets
from fashion_cnn.training.loop import Loop
from fashion_cnn.training.state import TrainingState

STEPS = 50
# Of a mean of ten steps' losses.
TOLERANCE = 0.15
# What the bytes depend on, besides the code.
SAME = ("device", "precision", "torch", "torchvision", "threads")


class _EnoughError(Exception):
    """Enough steps are trained."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the losses, or compare them with what is written.

    Raises:
        InputError: they are others than those of a file.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.golden", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--device", default="cpu", help="default: cpu")
    parser.add_argument("--data", type=Path, help="folder of the IDX files")
    parser.add_argument("--folder", type=Path, default=root() / "tests" / "golden")
    parser.add_argument("--compare", action="store_true", help="with every file there; writes none")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    compute = prepare(given.device, "float32")
    folder = given.data or dataset_folder()
    found = {model: losses(model, compute, folder) for model in given.models}
    if given.compare:
        differing = []
        for path in sorted(given.folder.glob("*.json")):
            faults = compare(json.loads(path.read_text("utf-8")), compute.describe(), found)
            print(f"{path.name}: {'; '.join(faults) or 'the same'}")
            differing += [path.name] if faults else []
        if differing:
            raise InputError(f"other losses than in {', '.join(differing)}")
        return
    name = re.sub(r"\W+", "-", compute.identity()["device"]).lower()
    write_json(given.folder / f"{name}.json", {"made_with": compute.describe(), "losses": found})


def losses(model: str, compute: Compute, folder: Path, steps: int = STEPS) -> list[float]:
    """Return the mean losses of a network's first steps of at most STEPS."""
    values = presets.load("smoke")
    recipe = getattr(values, model)
    changes = {"precision": "float32", "train_images": STEPS * recipe.batch_size}
    recipe = getattr(params.replace(values, model, **changes), model)
    training, validation = read_split(folder, values.dataset, recipe.train_images)
    with seeded(recipe.seed, "initial weights"):
        network = models.build(model, **recipe.architecture())
    network.to(compute.device).to(memory_format=torch.channels_last)
    state = TrainingState(model, network, recipe, STEPS, log_interval=STEPS + 1)
    found: list[float] = []

    def pause(epoch_ended: bool) -> None:
        found.append(state.losses[state.pending - 1].item())
        if len(found) == steps:
            raise _EnoughError

    transform = Transform(recipe.image_size, values.dataset.mean, values.dataset.standard_deviation)
    try:
        loop = Loop(state, transform, compute, pause=pause)
        loop.fit(training.to(compute.device), validation.to(compute.device))
    except _EnoughError:
        pass
    return found


def compare(
    golden: Mapping[str, Any], made_with: Mapping[str, Any], found: Mapping[str, Sequence[float]]
) -> list[str]:
    """Return one line for each network whose losses are not those of `golden`.

    Args:
        golden: a file's content.
        made_with: what `found` was made with, as `Compute.describe` returns it.
        found: by network, as many steps as there are.
    """
    exact = all(golden["made_with"][key] == made_with[key] for key in SAME)
    faults = []
    for model, ours_ in found.items():
        theirs = golden["losses"][model][: len(ours_)]
        if exact:
            step = next(
                (
                    i
                    for i, pair in enumerate(zip(ours_, theirs, strict=True), 1)
                    if pair[0] != pair[1]
                ),
                None,
            )
            if step:
                faults.append(f"{model}: step {step}: {ours_[step - 1]} is not {theirs[step - 1]}")
            continue
        for start in range(0, len(ours_), 10):
            ten, golden_ten = fmean(ours_[start : start + 10]), fmean(theirs[start : start + 10])
            if abs(ten - golden_ten) > TOLERANCE * golden_ten:
                place = f"{model}: ten steps from {start + 1}"
                faults.append(f"{place}: mean {ten:.4g}, not {golden_ten:.4g}")
    return faults


if __name__ == "__main__":
    run(main)
