"""Requests to stop, by Ctrl-C or a scheduler, kept until training can be saved."""

import signal
from types import FrameType
from typing import Self


class Stop:
    """Inside the block, SIGTERM and SIGINT only set `signal`, which is 0 otherwise.

    A second signal does no more: a launcher may pass on a signal that the process got already.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> Self:
        self._handlers = {
            number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
