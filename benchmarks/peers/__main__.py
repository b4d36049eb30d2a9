"""`make bench-peers`: time the same training by this project and by other libraries, in turn.

Every peer trains the same network with Adam at 0.001 and the same batches, in a process of its own,
written as its own guide says. Where the processor has bfloat16, those use it that can.
"""

import argparse
import ast
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import torch

from benchmarks import measure
from benchmarks.measure import Result
from benchmarks.peers.watch import Task, Watch
from fashion_cnn.base.errors import run
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.core.compute import prepare

PEERS = {
    "plain": ("a plain loop with a DataLoader", "torch"),
    "with_lightning": ("PyTorch Lightning", "lightning"),
    "with_keras": ("Keras 3 on torch", "keras"),
    "with_fastai": ("fastai", "fastai"),
    "this_project": ("this project", "fashion-cnn"),
}
BFLOAT16 = ("with_lightning", "with_keras", "this_project")
# The test accuracy of the tutorial's own recipe after its one epoch, measured by `make bench`.
TUTORIAL_ACCURACY = 0.845
HERE = Path(__file__).parents[2]
TASKS = {
    "LeNet, 28 pixels, batch 64": Task("lenet", 28, 64, 60_000, 3, False),
    "reduced VGG, 32 pixels, batch 128": Task("vgg", 32, 128, 12_800, 2, True),
    "reduced VGG, 224 pixels, batch 64": Task("vgg", 224, 64, 768, 2, True),
}


def main() -> None:
    """Measure, print the table and write it to benchmarks/results/peers."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, help="train on fewer images")
    parser.add_argument("--output", type=Path, default=root() / "benchmarks/results/peers")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return
    results: list[Result] = []
    has_bfloat16 = prepare("cpu", "auto").dtype is torch.bfloat16
    for name, task in TASKS.items():
        images = min(task.images, arguments.images or task.images)
        here = replace(task, images=images, bfloat16=task.bfloat16 and has_bfloat16)
        results += compare(name, here, arguments.rounds)
    print(measure.table(results))
    versions = {package: version(package) for _, package in PEERS.values()}
    measure.write(results, prepare("cpu", "auto"), arguments.output, versions)


def compare(name: str, task: Task, rounds: int) -> list[Result]:
    """Train a task by each peer in turn, several rounds."""
    measured: dict[str, list[dict[str, Any]]] = {peer: [] for peer in PEERS}
    for _ in range(rounds):
        for peer in PEERS:
            measured[peer].append(in_own_process(peer, task, dataset_folder()))
            print(f"{name}: {PEERS[peer][0]}: {measured[peer][-1]}", flush=True)
    results = []
    for peer, (title, _) in PEERS.items():
        precision = "bfloat16" if task.bfloat16 and peer in BFLOAT16 else "float32"
        quantities = {
            f"images/s, {precision}": [task.images / r["epoch_seconds"][-1] for r in measured[peer]]
        }
        if task.model == "lenet":
            quantities[f"s of training to a test accuracy of {TUTORIAL_ACCURACY}"] = [
                seconds_to_accuracy(r) for r in measured[peer]
            ]
        quantities |= {
            "s from the command to the end of the first step": [
                r["first_step_seconds"] for r in measured[peer]
            ],
            "GB of memory at the peak": [r["peak_gigabytes"] for r in measured[peer]],
            "lines of the user's code": [user_lines(peer)],
        }
        results += [Result(name, f"{title}: {quantity}", v) for quantity, v in quantities.items()]
    return results


def in_own_process(peer: str, task: Task, folder: Path) -> dict[str, Any]:
    """Return what a peer's watch measured, in a new process with a thread per core."""
    command = [sys.executable, "-m", "benchmarks.peers", "--one", peer]
    given = {"task": asdict(task), "folder": str(folder.absolute()), "commanded": time.time()}
    command.append(json.dumps(given))
    environment = os.environ | {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment,
        cwd=HERE,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def one(peer: str, described: str) -> None:
    """Train by one peer in this process, and print what was measured as JSON."""
    given = json.loads(described)
    task, folder = Task(**given["task"]), Path(given["folder"])
    watch = Watch(folder, given["commanded"], task.model == "lenet")
    with tempfile.TemporaryDirectory() as parent:
        # torchvision looks for the four files here.
        raw = Path(parent, "FashionMNIST", "raw")
        raw.parent.mkdir()
        raw.symlink_to(folder)
        importlib.import_module(f"benchmarks.peers.{peer}").train(task, parent, watch)
    print(json.dumps(watch.measured()))


def seconds_to_accuracy(measured: dict[str, Any]) -> float:
    """Return the seconds of training to the end of the first epoch that is accurate enough."""
    seconds = 0.0
    for epoch, accuracy in zip(measured["epoch_seconds"], measured["accuracies"], strict=True):
        seconds += epoch
        if accuracy >= TUTORIAL_ACCURACY:
            return seconds
    return inf


def user_lines(peer: str) -> int:
    """Count the lines of a peer's statements, but for those that watch it, and for docstrings.

    Of this project, count the keys of params.yaml that a user sets.
    """
    if peer == "this_project":
        # Its recipe, the epochs, the batch size and the image size.
        return len(importlib.import_module(f"benchmarks.peers.{peer}").RECIPE) + 3
    source = (HERE / f"benchmarks/peers/{peer}.py").read_text("utf-8")
    tree = ast.parse(source)
    watching = {
        line
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Watching"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    docstrings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return sum(
        bool(text.strip()) and number not in watching | docstrings and "watch" not in text.lower()
        for number, text in enumerate(source.splitlines(), start=1)
    )


if __name__ == "__main__":
    run(main)
