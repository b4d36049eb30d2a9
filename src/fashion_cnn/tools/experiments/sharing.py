"""Work that several processes share, on one machine or on several that share the folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def claimed(file: Path, *, wait: bool = False) -> Iterator[TextIO | None]:
    """Hold a lock file inside the block; yield it, or None where somebody else holds it.

    The system frees it when its process has ended, however that ends, and so have the processes
    that it handed the file down to.

    Args:
        file: in a folder that all processes share.
        wait: until it is free.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield lock
