"""The reference of params.yaml: a page and a JSON schema, both made from the types."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tabulate import tabulate

from fashion_cnn.base import params
from fashion_cnn.base.files import write_text
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.tools import presets

INTRODUCTION = """\
# Every parameter

`make reference` writes this page from the types in `src/fashion_cnn/base/`. In its own section, a
network may overrule any key of `training`: `-S ++lenet.seed=1` adds a key that is not there yet.
"""


def write() -> None:
    """Write config/params.schema.json and docs/parameters-reference.md."""
    write_text(root() / "config" / "params.schema.json", params.schema())
    write_text(root() / "docs" / "parameters-reference.md", page())


def page() -> str:
    """Return the page: a table per section, of each key's default, range and meaning."""
    schema = params.WHOLE.model_json_schema()
    parts = [INTRODUCTION]
    for name, defaults in presets.all_defaults().items():
        section = _section(schema["properties"][name], schema["$defs"])
        rows = _rows(section, defaults, schema["$defs"], name if name in MODELS else "")
        table = tabulate(
            rows, ["key", "default", "range", "meaning"], "github", disable_numparse=True
        )
        parts.append(f"## {name}\n\n{section['description']}\n\n{table}\n")
    return "\n".join(parts)


def _rows(
    section: Mapping[str, Any],
    defaults: Mapping[str, Any],
    types: Mapping[str, Any],
    network: str,
    prefix: str = "",
) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, default, range and meaning of each key that the section has a default for."""
    for key, field in section["properties"].items():
        if key not in defaults:
            continue
        name, default = prefix + key, defaults[key]
        if isinstance(default, Mapping):
            yield from _rows(_section(field, types), default, types, network, f"{name}.")
            continue
        overruled = (
            ", overrules `training`" if network and key in types["Training"]["properties"] else ""
        )
        meaning = " ".join(field.get("description", "").split())
        yield f"`{name}`", f"`{_value(default)}`{overruled}", _range(field), meaning


def _section(field: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [field, *field.get("anyOf", [])]
    reference: str = next(kind["$ref"] for kind in kinds if "$ref" in kind)
    return {**types[reference.rpartition("/")[2]]}


def _range(field: Mapping[str, Any]) -> str:
    """Return which values a field may have, in words."""
    if "anyOf" in field:
        return " or ".join(_range(each) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(map(_value, field["enum"]))
    if "const" in field:
        return _value(field["const"])
    kind = field.get("type", "")
    if kind == "array":
        return f"list of {_range(field['items'])}"
    low = [f"at least {field['minimum']}"] if "minimum" in field else []
    low += [f"above {field['exclusiveMinimum']}"] if "exclusiveMinimum" in field else []
    high = [f"at most {field['maximum']}"] if "maximum" in field else []
    high += [f"below {field['exclusiveMaximum']}"] if "exclusiveMaximum" in field else []
    bounds = " and ".join(low + high)
    words = {"integer": "whole number", "boolean": "true, false", "string": "text"}
    return f"{words.get(kind, kind)} {bounds}".strip()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
