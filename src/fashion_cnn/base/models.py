"""The list of the models: one line each."""

import argparse
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


# Each network of fashion_cnn.models, and the stage that trains it.
MODELS = {"lenet": "train_lenet", "vgg": "train_vgg", "vgg11": "finetune_vgg11"}


def build(model: str, **architecture: int) -> "nn.Module":
    """Make the network of a model; no other architecture's code is imported."""
    network: nn.Module = importlib.import_module(f"fashion_cnn.models.{model}").build(
        **architecture
    )
    return network


def model_argument(description: str | None) -> str:
    """Return the model that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", choices=MODELS)
    model: str = parser.parse_args().model
    return model
