"""Where the project's files are."""

import os
from pathlib import Path

from fashion_cnn.base.errors import InputError


def root() -> Path:
    """Return the repository's folder: the working folder or the nearest above with a dvc.yaml."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise InputError(f"no dvc.yaml in {here} or above it: run this inside the repository")


def repository() -> Path:
    """Return `root`, or the repository that DVC copied it from to run an experiment."""
    here = root()
    copied_from = (folder for folder in here.parents if here.is_relative_to(copies(folder)))
    return next(copied_from, here)


def left_out(name: str) -> str:
    """Return what to do about a path that the repository has, but DVC's copy of it lacks, if so."""
    if repository() == root() or not (repository() / name).exists():
        return ""
    return (
        "; this experiment runs in a copy, which holds only what git or DVC tracks: run "
        f"`dvc add {name}` first, or begin the experiment with `-C {name}`"
    )


def copies(repository: Path) -> Path:
    """Return the folder where DVC runs a repository's queued and temporary experiments."""
    return repository / ".dvc" / "tmp" / "exps"


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path exists inside a folder once all symbolic links are followed."""
    try:
        return folder.resolve() in path.resolve(strict=True).parents
    # A name that is too long or no name at all, or links that lead in a circle.
    except (OSError, ValueError, RuntimeError):
        return False


def checkpoints_folder() -> Path:
    """Return the folder of all checkpoints: $CHECKPOINTS, or one in the repository.

    DVC deletes the copy of an experiment that was killed; its checkpoints must outlive it.
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
    """Return the path of a model's convolution weights before training."""
    return root() / "data" / "initial_kernels" / f"{model}.safetensors"


def epoch_weights_file(model: str) -> Path:
    """Return the path of a model's weights before training and after its epochs."""
    return root() / "data" / "epoch_weights" / f"{model}.safetensors"


def shapes_file(model: str) -> Path:
    """Return the path of a model's traced layers."""
    return root() / "plots" / "shapes" / f"{model}.json"


def runs_folder(model: str) -> Path:
    """Return the folder for what differs from run to run: TensorBoard logs and timings."""
    return root() / "runs" / model
