"""Work that several processes share, on one machine or on several that share the folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claimed(file: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock file inside the block; yield whether nobody else held it.

    The system frees it when its process ends, however it ends.

    Args:
        file: in a folder that all processes share.
        wait: until it is free.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
