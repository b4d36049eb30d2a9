"""The form of gate.yaml, with types and limits."""

from typing import Annotated

from pydantic import Field

from fashion_cnn.base.settings import Count, Section

Fraction = Annotated[float, Field(ge=0, le=1)]


class Shares(Section):
    """Shares of the test images: the least that a model must reach, or the most it may lose."""

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


class ModelRules(Section):
    """The rules for one model; `may_fall` is against the baseline, and more must be chance."""

    at_least: Shares
    at_most: Ceilings
    may_fall: Shares
    class_recall: dict[str, Fraction] | None = None
    class_f1: dict[str, Fraction] | None = None


class Rules(Section):
    """The whole of gate.yaml."""

    significance: Annotated[float, Field(gt=0, lt=1)]
    lenet: ModelRules
    vgg: ModelRules
    vgg11: ModelRules
