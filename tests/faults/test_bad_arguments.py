"""Every command with odd arguments and in odd checkouts: a sentence or the usage, no traceback."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from fashion_cnn.base.errors import InputError, run
from fashion_cnn.tools import command_line
from fashion_cnn.tools.prediction import pictures
from fashion_cnn.tools.trust.gate import table
from fashion_cnn.tools.trust.judging import Verdict
from tests.faults.in_process import Commands
from tests.made_images import idx, write_folder
from tests.made_weights import save_lenet

ODD = [
    *("", " ", "-", "-x", "--nope", "-1", "0", "1e9", "nan", "1.5", "\u0663x", "lenet ", "LeNet"),
    *("é", "\u202e", "\N{GRINNING FACE}", "a" * 5000, "a\nb", "\t", "%s%n", "<b>", "{}", "=", "'"),
    *("../nowhere", "/nope", "/dev/null", "/", "~", "*", "$(exit)", "`exit`", "; exit", "| exit"),
    *("--upload-pack=x", "HEAD:", "HEAD:params.yaml", "HEAD^{tree}", "@{-99}", "refs/heads/.."),
]  # fmt: skip
# Where an odd text stands; what comes before it is right.
PLACES = [
    ("{}",),
    ("shapes", "{}"),
    ("shapes", "vgg", "--image-size={}"),
    ("shapes", "vgg", "--width-divisor={}"),
    ("predict", "{}", "picture.png"),
    ("predict", "lenet", "{}"),
    ("predict", "lenet", "picture.png", "--background={}"),
    ("predict", "lenet", "picture.png", "--device=x{}"),
    ("export", "{}"),
    ("check-lock", "{}"),
    ("gate", "--baseline={}"),
    ("gate", "--rules={}"),
    ("verify", "--model={}"),
    ("drift", "{}"),
    ("drift", "data/fashion_mnist", "--model={}"),
    ("report", "{}"),
    ("report", "--baseline={}"),
    ("compare", "{}"),
    ("seeds", "{}", "2"),
    ("seeds", "lenet", "{}"),
    ("sweep", "{}"),
    ("preset", "{}"),
    ("reference", "{}"),
]


@pytest.fixture(scope="module")
def project(make_clone: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a few images, a picture and an untrained LeNet."""
    folder = make_clone(tmp_path_factory.mktemp("arguments") / "clone")
    pixels = torch.randint(256, (40, 28, 28), dtype=torch.uint8)
    write_folder(folder / "data" / "fashion_mnist", train=pixels, t10k=pixels)
    save_lenet(folder / "data/models/lenet.safetensors")
    Image.new("L", (28, 28)).save(folder / "picture.png")
    return folder


@pytest.fixture
def commands(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """Run commands in the project that must fail."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return Commands(monkeypatch, capsys)


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_odd_arguments_are_refused(place: tuple[str, ...], commands: Commands) -> None:
    for odd in ODD:
        commands.fail(*(part.replace("{}", odd) for part in place))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--",), "the following arguments are required: command"),
        (("predict", "lenet", "--"), "the following arguments are required: image"),
        (("shapes", "--", "--"), "invalid choice: '--'"),
        (("predict", "lenet", ""), "expected a path, got an empty text"),
        (("predict", "lenet", "/"), "error: expected pictures or a folder of them, got the whole"),
        (("predict", "lenet", "config"), "skipped config/sweep.yaml: not a PNG, JPEG, WebP, GIF,"),
        (("predict", "lenet", "/dev/zero"), "skipped /dev/zero: not a file"),
        (("drift", "/"), "that holds the new images, got the whole disk: /"),
        (
            ("drift", "/nope"),
            "error: /nope is not a folder: give a folder that holds the new images",
        ),
        (
            ("drift", "config"),
            "config: expected four IDX files, a folder per class, or train and test with a",
        ),
        (
            ("gate", "--rules=/nope"),
            "error: --rules: expected a file such as config/gate.yaml, got",
        ),
        (("gate", "--rules=config"), "error: --rules: expected a file such as config/gate.yaml"),
        (("gate", "--baseline="), "error: git knows no revision"),
        (("report", "--output=/proc/x"), "error: --output: /proc/x cannot be written: "),
        (
            ("report", "--output=params.yaml"),
            "--output: expected a folder, got the file params",
        ),
        (("report", "--output=/sys"), "error: --output: /sys cannot be written: "),
        (("report", "--output=params.yaml/x"), "cannot be written: Not a directory"),
        (("report", f"--output={'a' * 5000}"), "aaa: File name too long"),
        (("report", "--output="), "expected a path, got an empty text"),
        (("report", "HEAD:"), "error: git knows no revision 'HEAD:': see `git log --oneline`"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_the_sentence_says_what_was_expected(
    arguments: tuple[str, ...], message: str, commands: Commands
) -> None:
    assert message in commands.fail(*arguments)


NEED_GIT = [
    ("check-lock",),
    ("gate",),
    ("verify",),
    ("report",),
    ("compare",),
    ("seeds", "lenet", "2"),
    ("sweep", "lenet"),
]


@pytest.mark.parametrize("arguments", NEED_GIT, ids=lambda arguments: arguments[0])
def test_a_checkout_that_git_does_not_read_is_named(
    arguments: tuple[str, ...],
    project: Path,
    commands: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        # Git's own way to try what it does in a folder of another user.
        patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        message = commands.fail(*arguments)
    assert f"{project} belongs to another user, so git does not read it" in message
    assert f"`git config --global --add safe.directory '{project}'`" in message
    for name in ("dvc.yaml", "params.yaml", "config/gate.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((project / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path} is not in a git repository" in commands.fail(*arguments)
    subprocess.run(["git", "init", "-q"], check=True)
    assert "it has no commit" in commands.fail(*arguments)
    monkeypatch.setenv("PATH", "")
    assert "git is not installed" in commands.fail(*arguments)


def test_new_images_of_other_classes_are_refused(commands: Commands, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "new", train=torch.zeros(3, 28, 28, dtype=torch.uint8))
    labels = torch.tensor([0, 1, 10], dtype=torch.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    message = commands.fail("drift", str(folder))
    assert message.startswith(f"error: {folder}: expected train labels from 0 to 9, got 10: ")


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_names_that_the_terminal_cannot_show_are_escaped(
    form: list[str], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "été \N{DRESS}.png"
    picture.write_bytes((project / "picture.png").read_bytes())
    output = io.BytesIO()
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["", "predict", "lenet", str(picture), *form])
    run(command_line.main)
    printed = output.getvalue().decode("ascii")
    if form:
        assert json.loads(printed)["file"] == str(picture)
    else:
        assert r"\xe9t\xe9 \U0001f457.png" in printed


def test_folders_of_pictures_are_searched_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    os.mkfifo(tmp_path / "open" / "pipe")
    (tmp_path / "open" / "empty.png").touch()
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def denying(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denying)
    found = [path.relative_to(tmp_path).as_posix() for path in pictures.find([tmp_path])]
    assert found == ["closed", "open/empty.png", "open/pipe"]
    reasons = ("no file in this folder", "not a PNG", "not a file", "no such file")
    for name, reason in zip((*found, "nowhere"), reasons, strict=True):
        with pytest.raises(InputError, match=f"^{reason}"):
            pictures.read(tmp_path / name)


def test_the_gates_table_holds_no_html() -> None:
    verdict = Verdict("lenet", "recall of <img src=x>|\n", "<= 0.1", "</table><!--", None, "<B>")
    text = table([verdict])
    assert "<= 0.1" in text
    assert not [part for part in ("<img", "</table", "<!--", "<B>") if part in text]
    assert r" recall of &lt;img src=x>\| " in text
    assert text.splitlines()[2].replace(r"\|", "").count("|") == 7
