"""The package's commands and the stages, run in this process: a sentence, or the test fails."""

import runpy
import sys

import pytest

from fashion_cnn.base.errors import run
from fashion_cnn.tools import command_line
from tests.conftest import ROOT


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run `python -m fashion_cnn` with arguments, or `stages/NAME.py`; return the error's text.

    Any exception but the one that ends the process with a sentence or with argparse's usage fails
    the test, as it would be a traceback.
    """
    monkeypatch.setattr(sys, "argv", [*arguments] if "/" in arguments[0] else ["", *arguments])
    main = command_line.main
    if arguments[0].startswith("stages/"):
        main = runpy.run_path(str(ROOT / arguments[0]))["main"]
    with pytest.raises(SystemExit) as ended:
        run(main)
    code = ended.value.code
    if code in (1, 2):
        # What went wrong is on stderr already: skipped pictures, or argparse's usage.
        return ""
    assert isinstance(code, str), f"exit status {code}"
    assert_sentence(code)
    return code


def assert_sentence(message: str) -> None:
    """Fail unless a message is text for a reader, and short enough to be read."""
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert "object at 0x" not in message
    assert len(message) < 5000
    message.encode()
