"""The package's commands and the stages, run in this process: a sentence, or the test fails."""

import runpy
import sys

import pytest

from fashion_cnn.base.errors import run
from fashion_cnn.tools import command_line
from tests.conftest import ROOT


class Commands:
    """Runs commands that must fail, and hands back what they say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def fail(self, *arguments: str) -> str:
        """Run `python -m fashion_cnn` with arguments, or `stages/NAME.py`; return its last line.

        Whatever does not end with a sentence or with argparse's usage fails the test: any other
        exception is a traceback for the user.
        """
        stage = arguments[0].startswith("stages/")
        self.monkeypatch.setattr(sys, "argv", [*arguments] if stage else ["", *arguments])
        main = runpy.run_path(str(ROOT / arguments[0]))["main"] if stage else command_line.main
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(main)
        printed = self.capsys.readouterr().err
        assert "Traceback" not in printed
        code = ended.value.code
        if code == 2:
            assert printed.startswith("usage: ")
            return printed.splitlines()[-1]
        if code == 1:
            # Pictures that were left out have been named, each with the reason.
            assert printed.startswith("skipped ")
            return printed.splitlines()[-1]
        assert isinstance(code, str), f"exit status {code}"
        assert_sentence(code)
        return code


def assert_sentence(message: str) -> None:
    """Fail unless a message is text for a reader, and short enough to be read."""
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert "object at 0x" not in message
    assert len(message) < 6000
    message.encode()
