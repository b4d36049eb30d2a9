"""YAML as DVC reads it, of plain values only, with the line of whatever is wrong."""

import warnings
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

# Far beyond what any file of the project holds; aliases count anew at each place they are used.
MAX_VALUES = 100_000
MAX_DEPTH = 50
MAX_DIGITS = 400
TOO_MUCH = f"more than {MAX_DEPTH} levels or {MAX_VALUES} values"
TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class YamlError(ValueError):
    """A text is not YAML of plain values; the message begins with the line, if it is known."""


def load(text: str) -> Any:
    """Return the values of a YAML document, by DVC's own parser (YAML 1.2).

    Raises:
        YamlError: it is not YAML, or a value is not what its form or its tag promises.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    try:
        with warnings.catch_warnings(action="ignore", category=YAMLWarning):
            document = yaml.compose(text)
        if document is None:
            return None
        for node, name in _nodes(document):
            _check(yaml, node, name)
        return yaml.constructor.construct_document(document)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        too_deep = isinstance(error, MaxDepthExceededError)
        problem = TOO_MUCH if too_deep else " ".join(str(error.problem).split())
        raise YamlError(f"{line}{problem:.300}") from None
    except ReaderError as error:
        line = f"line {text.count(chr(10), 0, error.position) + 1}: "
        raise YamlError(f"{line}character {error.character!r} is not allowed") from None
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(" ".join(str(error).split())[:300]) from None


def _nodes(document: Node) -> Iterator[tuple[Node, str]]:
    """Yield every node of a document with the dotted name of its key."""
    waiting = [(document, "", 0)]
    count = 0
    while waiting:
        node, name, depth = waiting.pop()
        count += 1
        # Also where an anchor contains itself, or anchors of anchors multiply.
        if depth > MAX_DEPTH or count > MAX_VALUES:
            raise _error(node, name, TOO_MUCH)
        yield node, name
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if key.tag == TEXT:
                    yield key, name
                elif key.tag != MERGE:
                    raise _error(key, name, "expected the name of a key")
                waiting.append((value, f"{name}.{key.value}".lstrip("."), depth + 1))
        elif not isinstance(node, ScalarNode):
            waiting += [(value, name, depth + 1) for value in node.value]


def _check(yaml: YAML, node: Node, name: str) -> None:
    """Raise YamlError unless a scalar has the value that it promises."""
    if not isinstance(node, ScalarNode):
        return
    kind = str(node.tag).rpartition(":")[2]
    if kind in {"int", "float"} and len(node.value) > MAX_DIGITS:
        raise _error(node, name, f"a number of more than {MAX_DIGITS} digits")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in node.value):
        raise _error(node, name, f"{node.value!r:.80} is not text")
    try:
        yaml.constructor.construct_object(node)
    except (YAMLError, ValueError, OverflowError, LookupError, TypeError, AttributeError):
        raise _error(node, name, f"{node.value!r:.80} is not a valid {kind}") from None


def _error(node: Node, name: str, problem: str) -> YamlError:
    return YamlError(f"line {node.start_mark.line + 1}: {f'{name:.60}: ' if name else ''}{problem}")
