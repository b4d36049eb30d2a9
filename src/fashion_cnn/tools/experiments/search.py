"""What a sweep searches: the ranges of config/sweep.yaml, checked before any trial."""

from pathlib import Path
from typing import Annotated, Any

from optuna.trial import Trial
from pydantic import Field, ValidationError

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.params import Params
from fashion_cnn.base.settings import Count, Section, parse, with_keys


class Range(Section):
    """The numbers between two; the whole numbers where both are whole."""

    low: int | float
    high: int | float
    log: bool = False

    def suggest(self, trial: Trial, name: str) -> int | float:
        """Return the trial's value, rounded to three digits unless it is a whole number."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.3g}")

    def ends(self) -> list[Any]:
        """Return the values to check: if both ends are allowed, so is every value between."""
        return [self.low, self.high]


class Choices(Section):
    """Any of several values."""

    choices: Annotated[list[bool | int | float | str | None], Field(min_length=1)]

    def suggest(self, trial: Trial, name: str) -> bool | int | float | str | None:
        """Return the trial's value."""
        return trial.suggest_categorical(name, self.choices)

    def ends(self) -> list[Any]:
        """Return the values to check: all of them."""
        return self.choices


Ranges = dict[str, Range | Choices]


class Search(Section):
    """The whole of sweep.yaml: how many trials, and the ranges of each model's parameters."""

    trials: Count


WHOLE = with_keys(Search, **{model: (Ranges, {}) for model in MODELS})


def load(path: Path, model: str, values: Params) -> tuple[int, Ranges]:
    """Read the number of trials, and a model's ranges.

    Raises:
        InputError: the file is missing or malformed, or a range leaves what params.yaml allows.
    """
    try:
        search = WHOLE.model_validate(parse(path))
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise InputError(
            f"{path.name}: {name}: {fault['msg']}, got {fault['input']!r:.200}"
        ) from None
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
    """Raise InputError where there is no such parameter, or it may not have this value."""
    section, _, key = name.rpartition(".")
    change: object = value
    if section:
        if not isinstance(part := getattr(values.recipe(model), section, None), Section):
            raise InputError(f"{source}: {model}.{name}: unknown key")
        change = part.model_dump() | {key: value}
    try:
        params.replace(values, model, **{section or key: change})
    except InputError as error:
        raise InputError(f"{source}: {str(error).splitlines()[-1]}") from None
