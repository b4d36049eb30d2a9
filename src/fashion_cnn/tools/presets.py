"""Presets: what differs from the default, written into params.yaml as a whole."""

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_text
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.base.recipes import RECIPES, Training
from fashion_cnn.base.settings import merged, parse

SCHEMA_LINE = "# yaml-language-server: $schema=config/params.schema.json\n"


def names() -> list[str]:
    """Return the presets' names."""
    return sorted(path.stem for path in (root() / "presets").glob("*.yaml"))


def defaults() -> dict[str, Any]:
    """Return the default parameters as they stand in params.yaml."""
    values = all_defaults()
    values["dataset"]["pictures"] = None
    for section, keys in params.RARE.items():
        for key in keys:
            del values[section][key]
    return values


def all_defaults() -> dict[str, Any]:
    """Return the default of every parameter.

    A network's section has its own keys, and those of `training` that it overrules. Of a network of
    your own, params.yaml itself holds the defaults.
    """
    values = params.WHOLE().model_dump()
    shared, written = Training().model_dump(), parse(root() / "params.yaml")
    for model in MODELS:
        own = values[model] if model in RECIPES else written.get(model, values[model])
        values[model] = _differing(own, shared)
        del values["budget"][model]
    return values


def _differing(own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `own` is not in `shared`, section by section."""
    return {
        key: _differing(value, shared[key]) if isinstance(value, dict) else value
        for key, value in own.items()
        if key not in shared or value != shared[key]
    }


def preset(name: str) -> tuple[str, dict[str, Any]]:
    """Return a preset's heading, and all its parameters.

    Raises:
        InputError: there is no such preset, or a value of it is wrong.
    """
    path = root() / "presets" / f"{name}.yaml"
    if name not in names():
        raise InputError(f"there is no preset '{name}'; choose one of: {' '.join(names())}")
    values: dict[str, Any] = merged(defaults(), parse(path))
    params.parse_params(values, f"presets/{path.name}")
    heading = re.match(r"(#.*\n)*", path.read_text("utf-8"))
    return heading[0] if heading else "", values


def load(name: str) -> params.Params:
    """Return a preset as typed parameters.

    Raises:
        InputError: there is no such preset, or a value of it is wrong.
    """
    return params.parse_params(preset(name)[1], f"presets/{name}.yaml")


def apply(name: str) -> None:
    """Write a preset into params.yaml as a whole; the comments in there stay.

    Raises:
        InputError: there is no such preset, or params.yaml or the preset cannot be read.
    """
    heading, values = preset(name)
    path = root() / "params.yaml"
    parse(path)
    body = re.sub(r"\A(#.*\n|\s*\n)*", "", path.read_text("utf-8"))
    write_text(path, SCHEMA_LINE + heading + rewritten(body, values))


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """Return YAML text with these values in place of its own; comments stay beside their keys."""
    yaml = YAML()
    yaml.width = 1000
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    document = yaml.load(text)
    _set(document, values)
    result = io.StringIO()
    yaml.dump(document, result)
    return result.getvalue()


def _set(section: CommentedMap, values: Mapping[str, Any]) -> None:
    for key in [key for key in section if key not in values]:
        del section[key]
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(section.get(key), CommentedMap):
            _set(section[key], value)
        elif key not in section:
            # Not at the end: the empty line below the section belongs to its last key.
            section.insert(max(len(section) - 1, 0), key, value)
        elif isinstance(value, list):
            # DVC writes lists over several lines; here each is one line again.
            section[key] = CommentedSeq(value)
            section[key].fa.set_flow_style()
            if comments := section.ca.items.get(key):
                comments[3:] = [None]  # what stands before the first of several lines
        elif section[key] != value or type(section[key]) is bool:
            section[key] = value
