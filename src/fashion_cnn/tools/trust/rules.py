"""Typed, strict rules of the gate: the form of gate.yaml."""

from typing import Annotated

from pydantic import Field

from fashion_cnn.base.settings import Count, Section

Fraction = Annotated[float, Field(ge=0, le=1)]


class Floors(Section):
    """The least that a model must measure."""

    accuracy: Fraction
    top_2_accuracy: Fraction | None = None
    macro_f1: Fraction | None = None


class Ceilings(Section):
    """The most that a model may measure."""

    loss: Annotated[float, Field(ge=0)] | None = None
    expected_calibration_error: Fraction
    parameters: Count | None = None
    weight_bytes: Count
    multiply_accumulates: Count | None = None


class Falls(Section):
    """The most that a metric may fall against the baseline, where that is no noise."""

    accuracy: Fraction
    top_2_accuracy: Fraction | None = None
    macro_f1: Fraction | None = None


class ModelRules(Section):
    """What one model must keep."""

    at_least: Floors
    at_most: Ceilings
    may_fall: Falls
    class_recall: Annotated[dict[str, Fraction], Field(min_length=10, max_length=10)]
    class_f1: dict[str, Fraction] | None = None


class Rules(Section):
    """The whole of gate.yaml."""

    significance: Annotated[float, Field(gt=0, lt=1)]
    lenet: ModelRules
    vgg: ModelRules
    vgg11: ModelRules
