"""Files of settings that are no YAML, or hold nonsense: an error with file, line and key."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashion_cnn.base import params, yaml_text
from fashion_cnn.base import settings as files
from fashion_cnn.base.errors import InputError
from fashion_cnn.tools import presets
from fashion_cnn.tools.experiments import search
from fashion_cnn.tools.trust.rules import Rules
from tests.conftest import ROOT
from tests.faults.in_process import assert_sentence

# The text of a value, and the message about it.
BAD_VALUES = {
    "2020-13-45": "'2020-13-45' is not a valid timestamp",
    "!!timestamp 2020-02-30": "'2020-02-30' is not a valid timestamp",
    "!!timestamp x": "'x' is not a valid timestamp",
    "!!int x": "'x' is not a valid int",
    "!!float x": "'x' is not a valid float",
    "!!bool x": "'x' is not a valid bool",
    "!!binary x": "'x' is not a valid binary",
    "!!python/object/apply:os.system [true]": "could not determine a constructor",
    "9" * 5000: "a number of more than 400 digits",
    "0x" + "f" * 5000: "a number of more than 400 digits",
    "1e" + "9" * 5000: "a number of more than 400 digits",
    "\0": "character 0 is not allowed",
    '"\\0"': r"'\x00' is not text",
    '"\\ud800"': r"'\ud800' is not text",
    "\t- 1": "found character",
    "*absent": "found undefined alias",
    "&own [*own]": "more than 50 levels",
    "&own {own: *own}": "more than 50 levels",
    "[" * 60 + "]" * 60: "more than 50 levels",
    "0\n  seed: 1": 'found duplicate key "seed"',
    "{1: 2}": "expected the name of a key",
    "{? [a] : b}": "expected the name of a key",
    "{no: &a 1, <<: *a}": "expected a mapping",
}


def with_seed(value: str) -> bytes:
    """Return params.yaml with another text in place of training's seed."""
    before = "\n  seed: 0\n"
    text = (ROOT / "params.yaml").read_text()
    assert before in text
    return text.replace(before, f"\n  seed: {value}\n").encode()


def fault(path: Path) -> str:
    """Return what is wrong with a params file."""
    with pytest.raises(InputError) as error:
        params.load(path)
    return str(error.value)


@pytest.mark.parametrize("value", BAD_VALUES, ids=lambda value: ascii(value)[:30])
def test_a_bad_value_is_named_with_its_file_and_line(tmp_path: Path, value: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(with_seed(value))
    message = fault(path)
    line = 1 + with_seed(value).split(b"  seed: ")[0].count(b"\n")
    lines = range(line, line + 2)
    assert any(message.startswith(f"params.yaml cannot be read: line {n}: ") for n in lines)
    assert BAD_VALUES[value] in message
    assert len(message) < 500


def test_a_bad_value_is_named_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(with_seed("2020-13-45"))
    assert ": training.seed: " in fault(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dataset:\n  folder: \xff\n", "line 2: it is not UTF-8"),
        ("dataset: {}\n".encode("utf-16"), "line 1: it is not UTF-8"),
        (b"[" * 100_000, "line 1: more than 50 levels"),
        (b"--- {}\n--- {}\n", "line 2: but found another document"),
        (b"- &a [x, x]\n" + b"".join(
            f"- &{b} [{', '.join([f'*{a}'] * 9)}]\n".encode()
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ), "100000 values"),
        (b"", "is empty"),
        (b"text", "expected a mapping of sections, got a str"),
    ],
    ids=["bytes", "UTF-16", "deep", "documents", "anchors of anchors", "empty", "text"],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    assert message in fault(tmp_path / "params.yaml")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in fault(tmp_path)


REAL = [
    "params.yaml",
    "config/gate.yaml",
    "config/sweep.yaml",
    *(f"presets/{name}.yaml" for name in ("cpu", "gpu", "notebook", "smoke")),
]
VALUES = [
    *BAD_VALUES,
    *("", "null", "~", "true", "no", "-1", "0", "010", "1e-5", ".nan", "-.inf", "1e999", "1_0"),
    *("[]", "{}", "{a: {b: {c: d}}}", "[[[1]]]", "2020-01-01", "2020-01-01T01:02:03Z", "0o17"),
    *("!!set {a, b}", "!!omap [a: 1]", "!!binary YQ==", "!!str 1", "!custom x", "=", "<<"),
    *("'", '"', "|", ">-", "@", "`", "%", "&a", "é", "\u2028", "\ufeff", "x" * 10_000),
    *(str(2**63), str(2**64), str(-(2**63)), "9" * 400, "0." + "9" * 300, "0x" + "f" * 300),
]
DVC_VALUES = st.sampled_from(VALUES) | st.text(max_size=8)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file's name, and its text with one to three changes."""
    name = draw(st.sampled_from(REAL))
    content = (ROOT / name).read_bytes()
    for _ in range(draw(st.integers(1, 3))):
        lines = content.split(b"\n")
        place = draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[place].partition(b": ")
        match draw(st.sampled_from(["value", "key", "delete", "repeat", "indent", "bytes"])):
            case "value":
                value = draw(DVC_VALUES).encode(errors="surrogatepass")
                lines[place] = key + (colon or b": ") + value
            case "key":
                new = draw(DVC_VALUES).encode(errors="surrogatepass")
                lines[place] = b"  " + new + lines[place].lstrip()
            case "delete":
                del lines[place]
            case "repeat":
                lines.insert(place, lines[place])
            case "indent":
                lines[place] = b" " * draw(st.integers(0, 5)) + lines[place].lstrip()
            case "bytes":
                at = draw(st.integers(0, len(lines[place])))
                odd = draw(st.binary(min_size=1, max_size=3))
                lines[place] = lines[place][:at] + odd + lines[place][at:]
        content = b"\n".join(lines)
    return name, content


def read(path: Path, name: str) -> None:
    """Read a file as the command does that it is for."""
    if name == "config/gate.yaml":
        files.read(Rules, path)
    elif name == "config/sweep.yaml":
        for model in ("lenet", "vgg", "vgg11"):
            search.load(path, model, params.load(ROOT / "params.yaml"))
    elif name == "params.yaml":
        params.load(path)
    else:
        values: dict[str, Any] = files.merged(presets.defaults(), files.parse(path))
        params.parse_params(values, path.name)


def assert_held(folder: Path, mutation: tuple[str, bytes]) -> None:
    """Fail unless a file is read, or refused with a sentence that names it."""
    name, content = mutation
    path = folder / Path(name).name
    path.write_bytes(content)
    try:
        read(path, name)
    except InputError as error:
        message = str(error)
    else:
        return
    assert path.name in message
    assert_sentence(f"error: {message}")


FIXTURE = [HealthCheck.function_scoped_fixture]


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=FIXTURE)
@given(mutation=mutations())
def test_changes_of_the_real_files_are_read_or_refused(
    tmp_path: Path, mutation: tuple[str, bytes]
) -> None:
    assert_held(tmp_path, mutation)


@pytest.mark.faults
@settings(max_examples=3000, deadline=None, suppress_health_check=FIXTURE)
@given(mutation=mutations())
def test_many_changes_of_the_real_files(tmp_path: Path, mutation: tuple[str, bytes]) -> None:
    assert_held(tmp_path, mutation)


def test_files_are_read_as_dvc_reads_them() -> None:
    from dvc.utils.serialize import parse_yaml

    for name in [*REAL, "dvc.yaml", "dvc.lock"]:
        text = (ROOT / name).read_text()
        assert yaml_text.load(text) == parse_yaml(text, name)
    text = "a: &a {b: 010, c: 1e-5, d: no, e: 0o17}\nf:\n  <<: *a\n  b: ~\n"
    assert yaml_text.load(text) == parse_yaml(text, "params.yaml")
