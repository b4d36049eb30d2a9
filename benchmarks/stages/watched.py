"""Runs a stage as DVC does and writes the seconds of its parts as JSON.

    python -S watched.py REPORT perf_counter stages/train.py lenet

The stage's code is not changed: the functions in PARTS are wrapped when the stage calls `run`,
after its imports. A part's seconds leave out those of other parts that it calls.
"""

import json
import runpy
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

STARTED = {"perf_counter": time.perf_counter(), "process_time": 0.0}

PARTS = {
    "data": (
        "dataset.images.read",
        "dataset.images.read_split",
        "dataset.kind.read_kind",
        "pairwise.read_answers",
        "sources.fetching.fetch",
        "trained.weights.load",
        "trained.weights.load_kernels",
        "explore.contents.load_epochs",
    ),
    "first step": ("training.step.Step.__init__",),
    "training": ("training.loop.Loop.fit",),
    "evaluation": (
        "training.loop.Loop._validate",
        "evaluation.timed_pass.run",
        "evaluation.measures.measure",
        "evaluation.measures.cost",
        "explore.contents.Answers.__init__",
        "pairwise.compare",
        "visualize.inspection.inspect",
    ),
    "writing": (
        "base.files.write_csv",
        "base.files.write_json",
        "base.files.write_text",
        "evaluation.measures.write",
        "evaluation.plots.draw",
        "evaluation.plots.save",
        "evaluation.tensorboard.write",
        "evaluation.tensorboard.write_hparams",
        "explore.page.write_page",
        "sources.overview.write",
        "trained.tensor_files.write",
        "trained.weights.save",
        "trained.weights.save_kernels",
        "training.checkpoint.Checkpoints.newest",
        "training.checkpoint.Checkpoints.remove",
        "training.checkpoint.Checkpoints.write",
        "training.tracking.Tracker.__exit__",
        "training.tracking.Tracker.__init__",
        "training.tracking.Tracker.begin",
        "training.tracking.Tracker.epoch",
        "training.tracking.Tracker.predictions",
        "training.tracking.Tracker.training",
        "visualize.drawing.save",
    ),
}
"""Functions of the package by the part whose time theirs is; drawing is part of writing."""
STEP = "training.step.Step.__call__"
"""One step: the first is a part of its own, the others are training."""


class Clock:
    """Seconds by part; at any time, the innermost part runs."""

    def __init__(self, name: str) -> None:
        self.now: Callable[[], float] = getattr(time, name)
        self.seconds: dict[str, float] = {}
        self.running = ["import"]
        self.since = STARTED[name]

    def turn(self) -> None:
        """Give the time since the last turn to the part that has run."""
        now, part = self.now(), self.running[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.since
        self.since = now

    def timed(self, function: Callable[..., Any], part: str, then: str = "") -> Callable[..., Any]:
        """Return `function`, timed as `part`, and from its second call on as `then`."""
        parts = [part]

        @wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self.turn()
            self.running.append(parts[0])
            try:
                return function(*arguments, **named)
            finally:
                self.turn()
                self.running.pop()
                parts[0] = then or part

        return wrapper


def watch(clock: Clock) -> None:
    """Wrap the functions of PARTS in every module that is imported by now and has them."""
    modules = [
        module
        for name, module in sys.modules.items()
        if name == "__main__" or name.startswith("fashion_cnn")
    ]
    wanted = [(path, part, "") for part, paths in PARTS.items() for path in paths]
    for path, part, then in [*wanted, (STEP, "first step", "training")]:
        owner, name = _owner(path)
        if owner is None:
            continue
        function = getattr(owner, name)
        timed = clock.timed(function, part, then)
        setattr(owner, name, timed)
        for module in modules:
            for known in [key for key, value in vars(module).items() if value is function]:
                setattr(module, known, timed)


def _owner(path: str) -> tuple[ModuleType | type | None, str]:
    """Return the module or class that has a function of the package, if imported, and its name."""
    *parents, name = f"fashion_cnn.{path}".split(".")
    if parents[-1][0].isupper():
        module = sys.modules.get(".".join(parents[:-1]))
        return (getattr(module, parents[-1]) if module else None), name
    return sys.modules.get(".".join(parents)), name


def main() -> None:
    """Run the stage that the command line names."""
    report, name, stage, *_ = sys.argv[1:]
    sys.argv[:3] = []
    # Where Python puts the folder of the script that it runs, at which the package looks.
    sys.path[0] = str(Path.cwd() / "stages")
    errors = import_module("fashion_cnn.base.errors")
    clock, run = Clock(name), errors.run

    def watched(*arguments: Any, **named: Any) -> None:
        clock.turn()
        clock.running = ["other"]
        watch(clock)
        run(*arguments, **named)

    vars(errors)["run"] = watched
    try:
        runpy.run_path(stage, run_name="__main__")
    finally:
        clock.turn()
        with Path(report).open("a") as file:
            file.write(json.dumps([sys.argv, clock.seconds]) + "\n")


if __name__ == "__main__":
    main()
