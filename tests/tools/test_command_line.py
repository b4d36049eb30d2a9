"""`python -m fashion_cnn` as a user runs it: tables that line up, errors that say what to do."""

import inspect
import re
import sys
from functools import partial
from importlib import import_module

import pytest

from fashion_cnn.base.errors import run
from fashion_cnn.tools import command_line
from tests.conftest import ROOT, Shell


def shapes(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run `python -m fashion_cnn shapes` in this process, from a folder of the repository."""
    monkeypatch.chdir(ROOT / "src" / "fashion_cnn")
    monkeypatch.setattr(sys, "argv", ["fashion_cnn", "shapes", *arguments])
    run(command_line.main)


def test_the_table_is_aligned_and_sums_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes(monkeypatch, "vgg", "--image-size", "224", "--width-divisor", "8")
    head, layers, costs = capsys.readouterr().out.split("\n\n")
    assert head == "vgg, image_size 224"
    header, rule, *lines, total = layers.splitlines()
    assert header.split()[:2] == ["layer", "kind"]
    # A column is as wide as its rule, and nothing is written between two columns.
    gaps = [match.start() for match in re.finditer(" ", rule)]
    assert all(line[gap : gap + 1] in (" ", "") for line in (*lines, total) for gap in gaps)
    assert "features.0" in lines[0]
    assert "8 x 224 x 224" in lines[0]
    assert "2,018,346" in total
    assert "classifier input: 3,136 features" in costs


def test_by_default_sizes_are_those_of_the_params(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes(monkeypatch, "lenet")
    assert re.search(r"^total +44,426 +281,640 ", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("vgg", "--image-size", "31"),
            r"vgg, image_size 31: features\.20 \(MaxPool2d\): kernel: expected at most",
        ),
        (("vgg11", "--image-size", "20"), r"vgg11, image_size 20: .*\(MaxPool2d\).*got \(2, 2\)"),
        (("lenet", "--image-size", "11"), r"lenet, image_size 11: conv2 \(Conv2d\): kernel"),
        (("lenet", "--image-size", "0"), "lenet.image_size: expected a number greater .* got 0"),
        (("lenet", "--image-size", "-4"), "lenet.image_size: expected a number .* got -4"),
        (
            ("vgg", "--width-divisor", "3"),
            "vgg.width_divisor: expected 1, 2, 4, 8, 16, 32 or 64, got 3",
        ),
        (("lenet", "--width-divisor", "8"), "lenet.width_divisor: unknown key, got 8"),
    ],
)
def test_a_size_that_does_not_fit_is_an_error(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        shapes(monkeypatch, *arguments)
    assert re.search(message, str(stopped.value.code))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vgg", "--image-size", "28.5"), "--image-size: invalid int value: '28.5'"),
        (("vgg", "--image-size", "32", "32"), "unrecognized arguments: 32"),
        (("resnet",), "invalid choice: 'resnet'"),
        ((), "the following arguments are required: model"),
    ],
)
def test_a_wrong_argument_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as stopped:
        shapes(monkeypatch, *arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ("shapes", "vgg"),
        ("predict", "vgg", "picture.png"),
        ("export", "vgg"),
        ("check-lock",),
        ("gate",),
        ("verify",),
        ("drift", "folder"),
        ("report",),
        ("compare",),
        ("seeds", "vgg", "3"),
        ("sweep", "vgg"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_has_a_function_that_takes_its_arguments(command: tuple[str, ...]) -> None:
    arguments = vars(command_line.parser().parse_args(command))
    function = arguments.pop("command")
    if isinstance(function, partial):
        module, _, name = function.args[0].rpartition(".")
        function = getattr(import_module(f"fashion_cnn.tools.{module}"), name)
    inspect.signature(function).bind(**arguments)


def test_python_runs_it_as_a_module(shell: Shell) -> None:
    done = shell(
        *(sys.executable, "-m", "fashion_cnn", "shapes", "vgg", "--image-size", "31"),
        cwd=ROOT / "tests",
        PYTHONPATH=str(ROOT / "src"),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: vgg, image_size 31: features.20 (MaxPool2d)")
    assert "Traceback" not in done.stderr
