"""Files of settings, read strictly: typed values, or every fault in the file at once."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fashion_cnn.base.errors import InputError

Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A group of parameters: no unknown key, no conversion between types, no change later."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


AnySection = TypeVar("AnySection", bound=Section)


def read(section: type[AnySection], path: Path) -> AnySection:
    """Read a file as `parse` and `check` do."""
    return check(section, parse(path), path.name)


def check(
    section: type[AnySection],
    values: Mapping[str, Any],
    source: str,
    conflicts: Callable[[AnySection], list[str]] = lambda checked: [],
) -> AnySection:
    """Return `values` as typed settings.

    Args:
        section: what they have to be.
        values: by key, nested.
        source: names them in the error.
        conflicts: returns a line for each value that another value rules out.

    Raises:
        InputError: a line for every fault, naming the key, what was expected and what came.
    """
    try:
        checked = section.model_validate(values)
        faults = conflicts(checked)
    except ValidationError as error:
        faults = [_describe(fault, section) for fault in error.errors()]
    if faults:
        raise InputError("\n".join([f"{source} has {len(faults)} fault(s):", *faults]))
    return checked


def parse(path: Path) -> Mapping[str, Any]:
    """Parse YAML with DVC's own parser (YAML 1.2), so that both see the same values.

    Raises:
        InputError: the file is missing, no YAML or no mapping.
    """
    mend = f"restore it with `git checkout {path.name}`"
    if path.name == "params.yaml":
        mend += " or copy a file of presets/ over it"
    try:
        values = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: {mend}") from None
    except (YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path.name} cannot be read: {_problem(error)}") from None
    if values is None:
        raise InputError(f"{path.name} is empty: {mend}")
    if not isinstance(values, dict):
        kind = type(values).__name__
        raise InputError(f"{path.name}: expected a mapping of sections, got a {kind}: {mend}")
    return values


def _problem(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        return f"line {line}: {error.problem}"
    return str(error)


def _describe(fault: ErrorDetails, section: type[Section]) -> str:
    """Return one line for a fault: key, what was expected, what came."""
    keys = [str(part) for part in fault["loc"]]
    name, value = ".".join(keys), fault["input"]
    if fault["type"] == "missing":
        return f"{name}: expected a value, got none: the key is missing"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(section, keys[:-1])
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
        return f"{name}: unknown key, got {value!r}; {hint}"
    if fault["type"] == "model_type":
        return f"{name}: expected a section of keys, got {value!r}"
    return f"{name}: expected {_expected(fault)}, got {value!r}"


def _expected(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return f"text of the form {fault['ctx']['pattern']}"
    wanted = fault["msg"].removeprefix("Input should be ").replace("a valid integer", "an integer")
    return re.sub(r"^(greater|less) than", r"a number \1 than", wanted).replace("a valid ", "a ")


def _known_keys(section: Any, keys: list[str]) -> list[str]:
    for key in keys:
        section = section.model_fields[key].annotation
    return list(section.model_fields)
