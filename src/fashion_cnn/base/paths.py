"""The three models and where the project's files lie."""

import argparse
import os
from pathlib import Path

from fashion_cnn.base.errors import InputError

# Each model and the stage that makes its weights.
MODELS = {"lenet": "train_lenet", "vgg": "train_vgg", "vgg11": "finetune_vgg11"}


def root() -> Path:
    """Return the repository's folder, found upward from the working folder by its dvc.yaml."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise InputError(f"no dvc.yaml in {here} or above it: run this inside the repository")


def repository() -> Path:
    """Return the repository that `root` is DVC's copy of, made for an experiment; else `root`."""
    here = root()
    copied_from = (folder for folder in here.parents if here.is_relative_to(copies(folder)))
    return next(copied_from, here)


def copies(repository: Path) -> Path:
    """Return the folder in which DVC runs a repository's queued and temporary experiments."""
    return repository / ".dvc" / "tmp" / "exps"


def checkpoints_folder() -> Path:
    """Return the folder of all checkpoints: the one that CHECKPOINTS names, or the repository's.

    DVC throws the copy of an experiment that was killed away: its checkpoints outlive it.
    """
    given = os.environ.get("CHECKPOINTS")
    return Path(given) if given else repository() / ".checkpoints"


def dataset_folder() -> Path:
    """Return the folder of the four IDX files."""
    return root() / "data" / "fashion_mnist"


def weights_file(model: str) -> Path:
    """Return the path of a model's weights."""
    return root() / "data" / "models" / f"{model}.safetensors"


def initial_kernels_file(model: str) -> Path:
    """Return the path of a model's convolution weights as they were before training."""
    return root() / "data" / "initial_kernels" / f"{model}.safetensors"


def runs_folder(model: str) -> Path:
    """Return the folder of what varies from run to run: TensorBoard logs and timings."""
    return root() / "runs" / model


def model_argument(description: str | None) -> str:
    """Return the model that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", choices=MODELS)
    model: str = parser.parse_args().model
    return model
