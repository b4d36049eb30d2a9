"""dvc.lock against what DVC itself says, and files that are not one."""

import hashlib
from pathlib import Path

import pytest

from fashion_cnn.tools import lockfile
from fashion_cnn.tools.revision import MissingError, NoFileError, Revision
from tests.conftest import Shell


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_it_says_which_stage_read_and_wrote_which_file(reproduced_toy: Path) -> None:
    for name in ("workspace", "HEAD"):
        lock = lockfile.read(Revision(reproduced_toy, name))
        assert lock.stages == ("download", "train")
        written = [("download", "data/images"), ("train", "data/model"), ("train", "metrics.json")]
        assert [(file.stage, file.path) for file in lock.outputs] == written
        assert [(file.stage, file.path) for file in lock.inputs] == [
            ("train", "data/images"),
            ("train", "train.py"),
        ]
        for file in (*lock.inputs, *lock.outputs):
            path = reproduced_toy / file.path
            assert (file.md5, file.size) == (md5(path), path.stat().st_size)


def test_a_hash_is_that_of_the_stage_asked_for(toy: Path) -> None:
    text = (toy / "dvc.lock").read_text()
    written = lockfile.read(Revision(toy)).md5("data/images")
    (toy / "dvc.lock").write_text(text.replace(written, "f" * 32, 1))
    lock = lockfile.read(Revision(toy))
    hashes = {lock.md5("data/images", stage) for stage in ("download", "train")}
    assert hashes == {written, "f" * 32}
    assert lock.md5("data/images") == lock.md5("data/images", "download")
    assert lock.md5("data/nothing") == lock.md5("data/model", "download") == ""


def test_stages_that_dvc_yaml_does_not_know_are_left_out(toy: Path, shell: Shell) -> None:
    lock = lockfile.read(Revision(toy), known=["train"])
    assert lock.stages == ("train",)
    assert {file.stage for file in (*lock.inputs, *lock.outputs)} == {"train"}


def test_a_lock_that_is_missing_or_damaged_is_an_error(toy: Path) -> None:
    for content in ("stages: [", "stages: 5", "stages: {train: {outs: [5]}}", "- 1"):
        (toy / "dvc.lock").write_text(content)
        with pytest.raises(MissingError, match=r"dvc\.lock of the workspace .* cannot be read"):
            lockfile.read(Revision(toy))
    (toy / "dvc.lock").write_text("")
    assert lockfile.read(Revision(toy)).stages == ()
    (toy / "dvc.lock").unlink()
    with pytest.raises(NoFileError, match=r"dvc\.lock is not in the workspace"):
        lockfile.read(Revision(toy))


def test_what_was_made_of_an_older_output_is_stale_and_all_that_came_of_it() -> None:
    def file(stage: str, path: str, md5: str = "new") -> lockfile.LockedFile:
        return lockfile.LockedFile(stage, path, md5, 1)

    outputs = [file("train", "model"), file("evaluate", "answers"), file("compare", "table")]
    inputs = [file("evaluate", "model"), file("compare", "answers"), file("train", "code")]
    stages = ("train", "evaluate", "compare")

    def stale() -> dict[str, str]:
        return lockfile.stale(lockfile.Lockfile(stages, tuple(inputs), tuple(outputs)))

    assert stale() == {}
    inputs[1] = file("compare", "answers", "old")
    assert stale() == {"table": "compare"}
    inputs[:2] = [file("evaluate", "model", "old"), file("compare", "answers")]
    assert stale() == {"answers": "evaluate", "table": "compare"}


def test_a_folder_of_several_stages_outputs_has_the_hash_that_dvc_gives_it() -> None:
    # DVC has written these hashes to a dvc.lock.
    answers = {
        "vgg11": "9167843f49fa1af13b08f2568c352f22",
        "lenet": "5f28713be92f3ae18d23d40ea29cc230",
        "vgg": "e39e1d0415ce9e015b763dc6bc1fa3c1",
    }
    folder = "5b703844109934a25c673ab49f97a38b.dir"

    def stale(read: str, *changed: str) -> dict[str, str]:
        outputs = [
            lockfile.LockedFile(f"evaluate@{model}", f"plots/confusion/{model}.csv", md5, 1)
            for model, md5 in answers.items()
        ]
        table = lockfile.LockedFile("compare_models", "table", "new", 1)
        inputs = (lockfile.LockedFile("compare_models", "plots/confusion", read, 1),)
        stages = (*(file.stage for file in outputs), table.stage)
        return lockfile.stale(lockfile.Lockfile(stages, inputs, (*outputs, table)), changed)

    assert stale(folder) == {}
    assert stale("f" * 32 + ".dir") == {"table": "compare_models"}
    assert stale(folder, "evaluate@vgg") == {
        "plots/confusion/vgg.csv": "evaluate@vgg",
        "table": "compare_models",
    }
