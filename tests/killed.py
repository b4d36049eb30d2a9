"""Train a LeNet, and die by a real signal at the place given.

python -m tests.killed WHERE, with WHERE one of: never; step:N, after the N-th step of this process;
writing:N, halfway through the N-th checkpoint; saving, before the weights are renamed into place.
step:N:SIGTERM and the like send that signal instead of SIGKILL.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors.torch import save_file

from fashion_cnn.base.errors import run
from fashion_cnn.models import lenet
from fashion_cnn.trained import tensor_files
from fashion_cnn.training.checkpoint import Checkpoints
from fashion_cnn.training.run import train
from fashion_cnn.training.step import Step
from tests import recipes

# Steps between two checkpoints, so that the step a run resumes at does not depend on the disk.
INTERVAL = 7


def dying(function: Callable[..., Any], at: int, number: signal.Signals) -> Callable[..., Any]:
    """Return `function`, changed to send the process a signal at the end of its `at`-th call."""
    calls = 0

    def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        result = function(*arguments)
        if calls == at:
            os.kill(os.getpid(), number)
        return result

    return call


def saving_below(
    folder: str, replaced: Callable[..., None]
) -> Callable[[dict[str, Any], Path, dict[str, str]], None]:
    """Return `save_file`, with `replaced` in its place for files below a folder of this name."""

    def call(tensors: dict[str, Any], path: Path, metadata: dict[str, str]) -> None:
        (replaced if folder in path.parts else save_file)(tensors, path, metadata)

    return call


def save_half(tensors: dict[str, Any], path: Path, metadata: dict[str, str]) -> None:
    """Do as `save_file` does, but leave only half of the file."""
    save_file(tensors, path, metadata)
    os.truncate(path, path.stat().st_size // 2)


def main() -> None:
    """Die at the place given, or train to the end."""
    where, _, rest = sys.argv[1].partition(":")
    count, _, name = rest.partition(":")
    number = signal.Signals[name or "SIGKILL"]
    if where == "step":
        Step.__call__ = dying(Step.__call__, int(count), number)  # type: ignore[method-assign]
    elif where == "writing":
        torn = dying(save_half, int(count), number)
        vars(tensor_files)["save_file"] = saving_below(".checkpoints", torn)
    elif where == "saving":
        vars(tensor_files)["save_file"] = saving_below("models", dying(save_file, 1, number))
    steps = itertools.count(1)
    recipe = recipes.lenet(train_images=3000, epochs=3, ema_decay=0.9, keep="best")
    with patch.object(Checkpoints, "due", lambda _, epoch_ended: next(steps) % INTERVAL == 0):
        interval = recipes.LOG_INTERVAL
        train("lenet", lenet.build, recipe, recipes.dataset(), interval, keep_epochs=True)


if __name__ == "__main__":
    run(main)
