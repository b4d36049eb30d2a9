"""What a sweep searches: the ranges of sweep.yaml, checked before any trial."""

from pathlib import Path
from typing import Annotated, Any

from optuna.trial import Trial
from pydantic import Field, ValidationError

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.params import Params
from fashion_cnn.base.settings import Count, Section, parse


class Range(Section):
    """All numbers, or all whole numbers, between two."""

    low: int | float
    high: int | float
    log: bool = False

    def suggest(self, trial: Trial, name: str) -> int | float:
        """Return the trial's value, a number that is not whole to three digits."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.3g}")

    def ends(self) -> list[Any]:
        """Return values that are right if all are."""
        return [self.low, self.high]


class Choices(Section):
    """Any of several values."""

    choices: Annotated[list[bool | int | float | str | None], Field(min_length=1)]

    def suggest(self, trial: Trial, name: str) -> bool | int | float | str | None:
        """Return the trial's value."""
        return trial.suggest_categorical(name, self.choices)

    def ends(self) -> list[Any]:
        """Return values that are right if all are."""
        return self.choices


Ranges = dict[str, Range | Choices]


class Search(Section):
    """How many trials, and the ranges of each model's parameters."""

    trials: Count
    lenet: Ranges = Field(default_factory=dict)
    vgg: Ranges = Field(default_factory=dict)
    vgg11: Ranges = Field(default_factory=dict)


def load(path: Path, model: str, values: Params) -> tuple[int, Ranges]:
    """Read how many trials, and a model's ranges.

    Raises:
        InputError: the file is missing or malformed, or a range leaves what params.yaml allows.
    """
    try:
        search = Search.model_validate(parse(path))
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path.name}: {name}: {fault['msg']}, got {fault['input']!r}") from None
    ranges: Ranges = getattr(search, model)
    if not ranges:
        raise InputError(f"{path.name}: expected ranges of {model}'s parameters, got none")
    for name, each in ranges.items():
        if isinstance(each, Range) and (each.low >= each.high or (each.log and each.low <= 0)):
            raise InputError(
                f"{path.name}: {model}.{name}: expected low below high, above 0 where log is true, "
                f"got {each.low} and {each.high}"
            )
        for value in each.ends():
            _check(values, model, name, value, path.name)
    return search.trials, ranges


def _check(values: Params, model: str, name: str, value: object, source: str) -> None:
    """Raise InputError where the parameter is not there or may not have the value."""
    section, _, key = name.rpartition(".")
    change: object = value
    if section:
        recipe = getattr(values, model)
        if not isinstance(part := getattr(recipe, section, None), Section):
            raise InputError(f"{source}: {model}.{name}: unknown key")
        change = part.model_dump() | {key: value}
    try:
        params.replace(values, model, **{section or key: change})
    except InputError as error:
        raise InputError(f"{source}: {str(error).splitlines()[-1]}") from None
