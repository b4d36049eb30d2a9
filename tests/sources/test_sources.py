"""Every source, every way it can fail, and what is on the disk afterwards."""

import gzip
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.sources import fetching
from fashion_cnn.sources.debian import read_debian_package
from fashion_cnn.sources.fetching import Source
from fashion_cnn.sources.files import FILES, IdxFile
from fashion_cnn.sources.folder import read_folder
from fashion_cnn.sources.mirror import read_mirror
from tests.conftest import ROOT

CONTENTS = {
    "images": b"\x00\x00\x08\x03" + bytes(range(256)) * 40,
    "labels": b"\x00\x00\x08\x01" + bytes(range(10)) * 30,
}
TABLE = tuple(
    IdxFile(name=name, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
)
LABELS = CONTENTS["labels"]
# As long as the labels, one bit off.
ALTERED = LABELS[:-1] + bytes([LABELS[-1] ^ 1])


def altered_sha256() -> str:
    return hashlib.sha256(ALTERED).hexdigest()


def folder_of(path: Path, contents: dict[str, bytes]) -> Path:
    path.mkdir(parents=True)
    for name, content in contents.items():
        (path / name).write_bytes(content)
    return path


def zipped(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}


def folder_source(folder: Path) -> Source:
    return Source(str(folder), partial(read_folder, folder))


def written(destination: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in destination.iterdir()}


def raising(error: BaseException) -> Source:
    def read(files: Sequence[IdxFile]) -> dict[str, bytes]:
        raise error

    return Source("raising", read)


@pytest.mark.parametrize(
    "contents",
    [
        CONTENTS,
        zipped(CONTENTS),
        {"images": CONTENTS["images"], "labels.gz": gzip.compress(LABELS)},
        # A browser may unpack a file and keep its name.
        {"images": gzip.compress(CONTENTS["images"]), "labels.gz": LABELS},
    ],
    ids=["decompressed", "gz", "both", "misnamed"],
)
def test_folder_gives_the_decompressed_files(contents: dict[str, bytes], tmp_path: Path) -> None:
    folder_of(tmp_path / "given", {**contents, "README": b"not ours"})
    fetching.fetch(tmp_path / "data", [folder_source(tmp_path / "given")], TABLE)
    assert written(tmp_path / "data") == CONTENTS


DAMAGED = {
    "altered": (ALTERED, f"got {len(LABELS)} bytes with SHA-256 {altered_sha256()}"),
    "truncated": (LABELS[:-7], f"got {len(LABELS) - 7} bytes with SHA-256"),
    "too long": (LABELS + b"x", f"got more than {len(LABELS)} bytes"),
    "empty": (b"", "got 0 bytes with SHA-256"),
    "altered, gz": (gzip.compress(ALTERED), f"with SHA-256 {altered_sha256()}"),
    "truncated, gz": (gzip.compress(LABELS)[:-20], "with SHA-256"),
    "broken gz": (gzip.compress(LABELS)[:10] + b"\xff" * 40, "got damaged gzip"),
    "wrong checksum, gz": (gzip.compress(LABELS)[:-8] + bytes(8), "got damaged gzip"),
    "a web page": (b"<html>Sign in</html>", "got 20 bytes with SHA-256"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_file_is_named_and_the_next_source_tried(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, got = DAMAGED[damage]
    bad = folder_of(tmp_path / "bad", {"images": CONTENTS["images"], "labels.gz": content})
    good = folder_of(tmp_path / "good", CONTENTS)
    fetching.fetch(tmp_path / "data", [folder_source(bad), folder_source(good)], TABLE)
    assert written(tmp_path / "data") == CONTENTS
    skipped = [line for line in capsys.readouterr().out.splitlines() if "skipped" in line]
    assert len(skipped) == 1
    assert f"labels: expected {len(LABELS)} bytes with SHA-256 {TABLE[1].sha256}" in skipped[0]
    assert got in skipped[0]


def test_sources_are_not_mixed(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "first", {"images": CONTENTS["images"]})
    second = folder_of(tmp_path / "second", {"labels": LABELS})
    with pytest.raises(InputError) as caught:
        fetching.fetch(tmp_path / "data", [folder_source(first), folder_source(second)], TABLE)
    assert f"{first}: holds neither labels nor labels.gz" in str(caught.value)
    assert f"{second}: holds neither images nor images.gz" in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_missing_folder_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputError, match="no such folder"):
            read_folder(path, TABLE)


def test_gzip_bomb_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64_000_000))
    folder = folder_of(tmp_path / "bomb", {"images.gz": bomb})
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"images: expected .* got more than 10244 bytes"):
            read_folder(folder, TABLE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_default_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path))
    names = [source.name for source in fetching.default_sources()]
    assert names[:2] == [f"FASHION_MNIST_DIR={tmp_path}", "/usr/share/datasets/fashion-mnist"]
    assert names[2:-1]
    assert all(name.startswith("http") for name in names[2:-1])
    assert names[-1] == "Debian package dataset-fashion-mnist"


@pytest.mark.parametrize("value", [None, ""])
def test_no_named_folder(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("FASHION_MNIST_DIR", value)
    assert next(fetching.default_sources()).name == "/usr/share/datasets/fashion-mnist"


def test_the_named_folder_is_the_one_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", str(folder_of(tmp_path / "named", CONTENTS)))
    assert next(fetching.default_sources()).read(TABLE) == CONTENTS


def test_a_local_copy_needs_no_torchvision(tmp_path: Path) -> None:
    code = (
        "import sys; from fashion_cnn.sources import fetching, own_data; "
        "from itertools import islice; list(islice(fetching.default_sources(), 2)); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision')))"
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "FASHION_MNIST_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0


def test_if_every_source_fails_the_error_says_why_and_what_to_do(tmp_path: Path) -> None:
    tried = [folder_source(tmp_path / "nowhere"), raising(PermissionError("not for you"))]
    with pytest.raises(InputError) as caught:
        fetching.fetch(tmp_path / "deep" / "data", tried, TABLE)
    message = str(caught.value)
    assert f"{tmp_path / 'nowhere'}: no such folder" in message
    assert "raising: not for you" in message
    assert "sudo apt install dataset-fashion-mnist" in message
    assert "FASHION_MNIST_DIR" in message
    assert "images, labels" in message
    assert list(tmp_path.iterdir()) == []


def test_it_prints_what_is_tried_and_what_was_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = folder_of(tmp_path / "good", CONTENTS)
    tried = [folder_source(tmp_path / "nowhere"), folder_source(good), raising(AssertionError())]
    fetching.fetch(tmp_path / "data", tried, TABLE)
    assert capsys.readouterr().out.splitlines() == [
        f"Fashion-MNIST: trying {tmp_path / 'nowhere'}",
        "  skipped: no such folder",
        f"Fashion-MNIST: trying {good}",
        f"Fashion-MNIST: used {good}",
    ]


@pytest.fixture
def good(tmp_path: Path) -> Source:
    """Return a source that verifies, outside the folder written to."""
    return folder_source(folder_of(tmp_path / "good", CONTENTS))


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "data" / "fashion_mnist"


def test_replaces_what_was_there(good: Source, destination: Path) -> None:
    folder_of(destination, {"images": b"damaged", "stray": b""})
    fetching.fetch(destination, [good], TABLE)
    assert written(destination) == CONTENTS
    assert [path.name for path in destination.parent.iterdir()] == ["fashion_mnist"]


def test_modes_do_not_depend_on_the_umask(good: Source, destination: Path) -> None:
    previous = os.umask(0o077)
    try:
        fetching.fetch(destination, [good], TABLE)
    finally:
        os.umask(previous)
    assert destination.stat().st_mode & 0o7777 == 0o755
    assert {path.stat().st_mode & 0o7777 for path in destination.iterdir()} == {0o644}


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt()], ids=["fail", "ctrl-c"])
def test_failure_leaves_what_was_there(error: BaseException, destination: Path) -> None:
    folder_of(destination, {"images": b"mine"})
    with pytest.raises(type(error)):
        fetching.fetch(destination, [raising(error)], TABLE)
    assert written(destination) == {"images": b"mine"}
    assert [path.name for path in destination.parent.iterdir()] == ["fashion_mnist"]


@pytest.mark.parametrize("renames_before", [0, 1])
def test_ctrl_c_between_the_renames_leaves_what_was_there(
    renames_before: int, good: Source, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(destination, {"images": b"mine"})
    rename = Path.rename
    calls: list[Path] = []

    def interrupted(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == renames_before + 1:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetching.fetch(destination, [good], TABLE)
    assert written(destination) == {"images": b"mine"}
    assert [path.name for path in destination.parent.iterdir()] == ["fashion_mnist"]


KILLED = """
import os, signal, sys
from pathlib import Path
from fashion_cnn.sources import fetching

class Killing(dict):
    def items(self):
        yield from list(super().items())[:1]
        os.kill(os.getpid(), signal.SIGKILL)

source = fetching.Source("killing", lambda files: Killing(images=b"whole", labels=b"never"))
fetching.fetch(Path(sys.argv[1]), [source])
"""


@pytest.mark.parametrize("before", [None, {"images": b"mine"}])
def test_kill_leaves_nothing_that_looks_complete(
    before: dict[str, bytes] | None, destination: Path
) -> None:
    if before is not None:
        folder_of(destination, before)
    command = [sys.executable, "-c", KILLED, str(destination)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert (written(destination) if destination.exists() else None) == before
    # What is left is beside the destination, on the same disk, under another name.
    left = list(destination.parent.glob(".fashion_mnist.*"))
    assert len(left) == 1
    # The next run removes it.
    fetching.fetch(destination, [fetching.Source("good", lambda files: {"images": b"new"})])
    assert written(destination) == {"images": b"new"}
    assert not left[0].exists()


def test_a_destination_that_cannot_be_written_is_named(good: Source, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/fashion_mnist can't be written: "):
        fetching.fetch(tmp_path / "file" / "fashion_mnist", [good], TABLE)


class Web(ThreadingHTTPServer):
    """A mirror on this machine whose replies a test chooses; `asked` keeps the requested paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WebHandler)
        self.reply: Callable[[WebHandler, bytes], None] = whole
        self.asked: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class WebHandler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = zipped(CONTENTS)[self.path.rpartition("/")[2]]
        self.server.reply(self, content)

    def start(self, num_bytes: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(num_bytes))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


def whole(handler: WebHandler, content: bytes) -> None:
    handler.start(len(content))
    handler.wfile.write(content)


def truncated(handler: WebHandler, content: bytes) -> None:
    handler.start(len(content))
    handler.wfile.write(content[:-20])


def altered(handler: WebHandler, content: bytes) -> None:
    unpacked = gzip.decompress(content)
    whole(handler, gzip.compress(unpacked[:-1] + b"?"))


def missing(handler: WebHandler, content: bytes) -> None:
    handler.send_error(404)


def silent(handler: WebHandler, content: bytes) -> None:
    handler.server.closing.wait(30)


def stalled(handler: WebHandler, content: bytes) -> None:
    handler.start(len(content))
    handler.wfile.write(content[:5])
    handler.server.closing.wait(30)


def dripping(handler: WebHandler, content: bytes) -> None:
    handler.start(len(content))
    for byte in content:
        handler.wfile.write(bytes([byte]))
        if handler.server.closing.wait(0.05):
            return


def endless(handler: WebHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(1 << 16))


def not_http(handler: WebHandler, content: bytes) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def redirecting(address: str) -> Callable[[WebHandler, bytes], None]:
    """Return a reply that sends the reader on to another address."""

    def reply(handler: WebHandler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.end_headers()

    return reply


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Serve CONTENTS as .gz, without this machine's proxies."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # urllib reads the proxies once per process and keeps them here.
    monkeypatch.setattr("urllib.request._opener", None)
    server = Web()
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("ending", ["", "/", "/mirror/"])
def test_mirror_gives_the_decompressed_files(ending: str, web: Web) -> None:
    assert read_mirror(web.url + ending, TABLE) == CONTENTS
    folder = ending.rstrip("/")
    assert web.asked == [f"{folder}/images.gz", f"{folder}/labels.gz"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (truncated, "images: expected .* SHA-256 .* got .* SHA-256"),
        (altered, f"images: expected 10244 bytes with SHA-256 {TABLE[0].sha256}, got 10244 bytes"),
        (missing, "images.gz: HTTP Error 404"),
        (silent, "images.gz: .*timed out"),
        (stalled, "images.gz: .*timed out"),
        (dripping, "images.gz: not complete after 0.5 s"),
        (endless, "images.gz: more than"),
        (not_http, "images.gz: 220 mail.example"),
        (redirecting("http://[::1"), "images.gz: Invalid IPv6 URL"),
        (redirecting("file:///etc/passwd"), "images.gz: HTTP Error 302: .* not allowed"),
        (redirecting(f"http://{'a' * 300}/"), "images.gz: .*label too long"),
    ],
)
def test_a_bad_reply_is_soon_given_as_the_reason(
    reply: Callable[[WebHandler, bytes], None], reason: str, web: Web
) -> None:
    web.reply = reply
    start = time.monotonic()
    with pytest.raises(InputError, match=reason):
        read_mirror(web.url, TABLE, silence_seconds=0.3, total_seconds=0.5)
    assert time.monotonic() - start < 3
    assert len(web.asked) == 1


def test_a_refused_connection_is_given_as_the_reason(web: Web) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(InputError, match=r"images\.gz: .*refused"):
            read_mirror(f"http://127.0.0.1:{port}", TABLE)


@pytest.mark.parametrize(
    "address", ["", "/", "mirror", "//mirror", "http://", "http://[::1", "http://a b", "data:,x"]
)
def test_an_address_that_is_none_is_given_as_the_reason(address: str) -> None:
    with pytest.raises(InputError, match=r"^images\.gz: "):
        read_mirror(address, TABLE)


def test_mirror_is_asked_through_the_proxy(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    assert read_mirror("http://mirror.invalid/", TABLE) == CONTENTS
    assert web.asked[0] == "http://mirror.invalid/images.gz"


def test_no_bar_unless_on_a_terminal(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    read_mirror(web.url, TABLE)
    assert capsys.readouterr() == ("", "")


needs_dpkg_deb = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that replaces apt-get with a script; $package is a real .deb."""
    tree = tmp_path / "tree"
    folder_of(tree / "usr" / "share" / "datasets" / "fashion-mnist", zipped(CONTENTS))
    control = "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
    control += "Maintainer: A Test <test@example.org>\nDescription: test\n"
    folder_of(tree / "DEBIAN", {"control": control.encode()})
    package = tmp_path / "dataset-fashion-mnist_1_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    scripts = tmp_path / "bin"
    scripts.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("package", str(package))
    monkeypatch.setenv("calls", str(tmp_path / "calls"))
    monkeypatch.setenv("PATH", f"{scripts}:{os.environ['PATH']}")

    def install(body: str) -> None:
        script = scripts / "apt-get"
        script.write_text(f'#!/bin/sh\necho "$@" >> "$calls"\n{body}\n')
        script.chmod(0o755)

    return install


def apt_calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


@needs_dpkg_deb
def test_package_with_the_systems_lists(apt_get: Callable[[str], None], tmp_path: Path) -> None:
    apt_get('cp "$package" .')
    assert read_debian_package(TABLE) == CONTENTS
    assert [call.split()[-2:] for call in apt_calls(tmp_path)] == [
        ["download", "dataset-fashion-mnist"]
    ]
    assert list((tmp_path / "scratch").iterdir()) == []


# An update fails if one list is out of reach, even if the one with the package came.
@needs_dpkg_deb
@pytest.mark.parametrize("update_status", [0, 100])
def test_package_with_own_lists_where_the_systems_fail(
    update_status: int, apt_get: Callable[[str], None], tmp_path: Path
) -> None:
    apt_get(
        f"""case "$*" in
        *Dir::State::Lists=*update) touch lists/ours; exit {update_status} ;;
        *Dir::State::Lists=*download*) [ -e lists/ours ] && cp "$package" . ;;
        *) echo 'E: Unable to locate package' >&2; exit 100 ;;
        esac"""
    )
    assert read_debian_package(TABLE) == CONTENTS
    assert len(apt_calls(tmp_path)) == 3
    assert all("APT::Sandbox::User= " in call for call in apt_calls(tmp_path))


@needs_dpkg_deb
def test_apt_gets_reasons_are_given(apt_get: Callable[[str], None], tmp_path: Path) -> None:
    apt_get("""case "$*" in
        *Error-Mode=any*update) echo 'E: Failed to fetch' >&2 ;;
        *update) exit 0 ;;
        *) echo 'E: Unable to locate package' >&2 ;;
        esac; exit 100""")
    with pytest.raises(InputError, match=r"Unable to locate package; apt-get: E: Failed to fetch"):
        read_debian_package(TABLE)
    assert list((tmp_path / "scratch").iterdir()) == []


@needs_dpkg_deb
def test_apt_get_that_hangs_is_stopped(apt_get: Callable[[str], None]) -> None:
    apt_get("exec sleep 60")
    start = time.monotonic()
    with pytest.raises(InputError, match=r"apt-get: not complete after 0\.2 s"):
        read_debian_package(TABLE, seconds=0.2)
    assert time.monotonic() - start < 5


@needs_dpkg_deb
def test_package_that_is_cut_short(apt_get: Callable[[str], None]) -> None:
    apt_get('head -c 1000 "$package" > short.deb')
    with pytest.raises(InputError, match="dpkg-deb: "):
        read_debian_package(TABLE)


def test_a_system_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="needs apt-get and dpkg-deb"):
        read_debian_package(TABLE)


def test_sizes_are_those_of_the_idx_format() -> None:
    images, labels = 16 + 28 * 28 * np.array([60_000, 10_000]), 8 + np.array([60_000, 10_000])
    assert [file.num_bytes for file in FILES] == [images[0], labels[0], images[1], labels[1]]


def skip_where_out_of_reach(error: InputError) -> NoReturn:
    """Skip where there is no network or no apt; any other failure of a real source is a fault."""
    reason = str(error)
    if "SHA-256" not in reason and ("Failed to fetch" in reason or "needs apt-get" in reason):
        pytest.skip(reason)
    raise error


@pytest.mark.data
def test_real_dataset_from_whichever_source_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    destination = tmp_path / "fashion_mnist"
    try:
        fetching.fetch(destination)
    except InputError as error:
        skip_where_out_of_reach(error)
    # The published hashes, and equally many images in each class.
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in written(destination).items()}
    assert hashes == {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    }
    for name, of_each_class in [("train", 6_000), ("t10k", 1_000)]:
        labels = np.fromfile(destination / f"{name}-labels-idx1-ubyte", np.uint8, offset=8)
        assert np.bincount(labels).tolist() == [of_each_class] * 10


@pytest.mark.data
@needs_dpkg_deb
def test_real_package_where_the_systems_lists_are_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty" / "partial").mkdir(parents=True)
    (tmp_path / "apt.conf").write_text(f'Dir::State::Lists "{tmp_path}/empty";\n')
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    try:
        contents = read_debian_package(FILES)
    except InputError as error:
        skip_where_out_of_reach(error)
    assert {name: len(content) for name, content in contents.items()} == {
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    }
