"""The models: one file of fashion_cnn.models each."""

import argparse
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_cnn.base.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# Each network of fashion_cnn.models, and the stage that trains it. They are found, not listed: with
# a list here, a new network would train all the others anew, as every stage depends on this file.
MODELS = {
    path.stem: "finetune_vgg11" if path.stem == "vgg11" else f"train_{path.stem}"
    for path in sorted((Path(__file__).parents[1] / "models").glob("[a-z]*.py"))
}


def build(model: str, **architecture: Any) -> "nn.Module":
    """Make the network of a model; no other architecture's code is imported.

    Raises:
        InputError: the model's `build` does not take such an argument.
    """
    make = importlib.import_module(f"fashion_cnn.models.{model}").build
    taken = inspect.signature(make).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in taken.values())
    if not takes_any and (unknown := [key for key in architecture if key not in taken]):
        raise InputError(
            f"{model}.{unknown[0]}: unknown key: build of src/fashion_cnn/models/{model}.py takes "
            f"{', '.join(taken)}"
        )
    network: nn.Module = make(**architecture)
    return network


def model_argument(description: str | None) -> str:
    """Return the model that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", choices=MODELS)
    model: str = parser.parse_args().model
    return model
