"""The form of gate.yaml, with types and limits."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.settings import Section


def _known(model: str) -> str:
    if model not in MODELS:
        raise PydanticCustomError("model", "{models}", {"models": " or ".join(MODELS)})
    return model


Fraction = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=0)]
Model = Annotated[str, AfterValidator(_known)]


class Limits(Section):
    """What one number must keep; `max_fall` and `max_rise` are against the baseline."""

    min: float | None = None
    max: float | None = None
    max_fall: Change | None = None
    max_rise: Change | None = None


class Floors(Section):
    """The least recall and F1, by class."""

    recall: dict[str, Fraction] = Field(default_factory=dict)
    f1: dict[str, Fraction] = Field(default_factory=dict)


class DriftRule(Section):
    """How far new images may be from those that a model was trained on, by measure."""

    model: Model
    max_distance: dict[str, Fraction]
    action: Literal["close", "issue"]
    """What too large a distance does: close the gate, or let CI open an issue."""


class Rules(Section):
    """The whole of gate.yaml."""

    significance: Annotated[float, Field(gt=0, lt=1)]
    other_data: Literal["limits", "refuse"]
    """Of a baseline that was evaluated on other data: judge by the limits alone, or refuse."""
    metrics: dict[str, dict[str, Limits]]
    """By JSON file and dotted key."""
    classes: dict[Model, Floors] = Field(default_factory=dict)
    """By model."""
    drift: dict[str, DriftRule] = Field(default_factory=dict)
    """By folder of new images."""
