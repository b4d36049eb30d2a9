"""Files of settings, read strictly: typed values, or every fault in the file at once."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from fashion_cnn.base import yaml_text
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.yaml_text import YamlError

Count = Annotated[int, Field(ge=1, le=10**12)]


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


def with_keys(section: type[AnySection], **keys: Any) -> type[AnySection]:
    """Return a section's type with more keys: each one's type and default, by its name."""
    return create_model(section.__name__, __base__=section, __doc__=section.__doc__, **keys)


def read(section: type[AnySection], path: Path) -> AnySection:
    """Read a file as `parse` and `check` do."""
    return check(section, parse(path), path.name)


def check(
    section: type[AnySection],
    values: Mapping[str, Any],
    source: str,
    *,
    written: Mapping[str, Any] | None = None,
    missing: Sequence[str] = (),
    conflicts: Callable[[AnySection], list[str]] = lambda checked: [],
) -> AnySection:
    """Return `values` as typed settings.

    Args:
        section: the type of the settings.
        values: nested, by key.
        source: names the values in errors.
        written: those of the values that the user wrote, if not all of them; the faults of the
            others are left out, as they are found where the user wrote them.
        missing: faults that were found already.
        conflicts: returns one line for each value that another value rules out.

    Raises:
        InputError: one line per fault, naming the key, what was expected and what came.
    """
    faults = [*missing]
    try:
        checked = section.model_validate(values)
        faults += conflicts(checked)
    except ValidationError as error:
        faults += [
            _describe(fault, section)
            for fault in error.errors()
            if written is None or _holds(written, fault["loc"])
        ]
    if faults:
        raise InputError("\n".join([f"{source} has {len(faults)} fault(s):", *faults]))
    return checked


def parse(path: Path) -> Mapping[str, Any]:
    """Parse YAML with DVC's own parser (YAML 1.2), so that both see the same values.

    Raises:
        InputError: the file is missing, no YAML or no mapping.
    """
    hint = f"restore it with `git checkout HEAD {path}`"
    try:
        content = path.read_bytes()
        values = yaml_text.load(content.decode())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: {hint}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path.name} cannot be read: line {line}: it is not UTF-8") from None
    except YamlError as error:
        raise InputError(f"{path.name} cannot be read: {error}") from None
    if values is None:
        raise InputError(f"{path.name} is empty: {hint}")
    if not isinstance(values, dict):
        kind = type(values).__name__
        raise InputError(f"{path.name}: expected a mapping of sections, got a {kind}: {hint}")
    return values


def merged(values: Mapping[str, Any], over: object) -> Any:
    """Return nested values with those of `over` in their place; `over` itself if it is no mapping.

    The values of a key in both are merged too, where both are mappings.
    """
    if not isinstance(over, Mapping):
        return over
    both = {
        key: merged(values[key], value) if isinstance(values.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {**values, **both}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by their dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _holds(written: Any, location: Sequence[int | str]) -> bool:
    """Whether the user wrote what lies at `location`, or a value on the way there."""
    for part in location:
        if not isinstance(written, Mapping):
            return True
        if part not in written:
            return False
        written = written[part]
    return True


def _describe(fault: ErrorDetails, section: type[Section]) -> str:
    """Return one line for a fault: key, what was expected, what came."""
    keys = [str(part) for part in fault["loc"] if part != "[key]"]
    name, value = ".".join(keys), f"{fault['input']!r:.200}"
    if fault["type"] == "missing":
        return f"{name}: expected a value, got none: the key is missing"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(section, keys[:-1])
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
        return f"{name}: unknown key, got {value}; {hint}"
    if fault["type"] == "model_type":
        return f"{name}: expected a section of keys, got {value}"
    return f"{name}: expected {_expected(fault)}, got {value}"


def _expected(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return f"text of the form {fault['ctx']['pattern']}"
    wanted = fault["msg"].removeprefix("Input should be ").replace("a valid integer", "an integer")
    return re.sub(r"^(greater|less) than", r"a number \1 than", wanted).replace("a valid ", "a ")


def _known_keys(section: Any, keys: list[str]) -> list[str]:
    for key in keys:
        is_dict = get_origin(section) is dict
        section = get_args(section)[1] if is_dict else section.model_fields[key].annotation
    return list(section.model_fields)
