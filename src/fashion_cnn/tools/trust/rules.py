"""The form of gate.yaml, with types and limits."""

from typing import Annotated, Literal

from pydantic import Field

from fashion_cnn.base.settings import Section

Fraction = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=0)]


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


class Classes(Section):
    """The floors of each model."""

    lenet: Floors = Floors()
    vgg: Floors = Floors()
    vgg11: Floors = Floors()


class DriftRule(Section):
    """How far new images may be from those that a model was trained on, by measure."""

    model: Literal["lenet", "vgg", "vgg11"]
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
    classes: Classes = Classes()
    drift: dict[str, DriftRule] = Field(default_factory=dict)
    """By folder of new images."""
