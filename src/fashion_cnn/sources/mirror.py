"""The four files from a folder on the web."""

import http.client
import time
import urllib.request
from collections.abc import Sequence

from tqdm import tqdm

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources.files import IdxFile, most_bytes, verified


def read_mirror(
    mirror: str,
    files: Sequence[IdxFile],
    *,
    silence_seconds: float = 5,
    total_seconds: float = 600,
) -> dict[str, bytes]:
    """Download the files from a web folder, through the environment's proxies.

    Args:
        mirror: the folder's address.
        files: what to download, as .gz.
        silence_seconds: longest wait for a connection and between two pieces of a reply.
        total_seconds: longest time for one file.
    """
    contents = {}
    for file in files:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            received = _download(url, most_bytes(file), silence_seconds, total_seconds)
        # A ValueError comes from an address that is none, also where a reply redirects to it.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f"{file.name}.gz: {error}") from error
        contents[file.name] = verified(file, received)
    return contents


def _download(url: str, most_bytes: int, silence_seconds: float, total_seconds: float) -> bytes:
    deadline = time.monotonic() + total_seconds
    received = bytearray()
    name = url.rpartition("/")[2]
    with urllib.request.urlopen(url, timeout=silence_seconds) as reply:
        if not isinstance(reply, http.client.HTTPResponse):
            raise OSError("expected an address of the web, http:// or https://")
        # disable=None: show the bar only on a terminal.
        with tqdm(total=reply.length, desc=name, unit="B", unit_scale=True, disable=None) as bar:
            # Not read: it would wait for the whole of a reply that comes byte by byte.
            while piece := reply.read1(1 << 16):
                received += piece
                bar.update(len(piece))
                if len(received) > most_bytes:
                    raise OSError(f"more than {most_bytes} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {total_seconds} s")
    return bytes(received)
