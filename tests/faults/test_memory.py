"""Too little memory: a message with the keys to lower."""

import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Stage, end_is_quiet, ends_with_a_message


def limited(megabytes: int) -> tuple[str, ...]:
    """A command that runs another one with so much address space."""
    return ("sh", "-c", f'ulimit -v {megabytes * 1000}; exec "$@"', "sh")


def enlarge(project: Path) -> None:
    """Make a step of LeNet need some 10 GB."""
    params = project / "params.yaml"
    head, lenet = params.read_text().split("\nlenet:\n")
    for before, after in (
        ("image_size: 28", "image_size: 448"),
        ("batch_size: 64", "batch_size: 640"),
    ):
        assert before in lenet
        lenet = lenet.replace(before, after, 1)
    params.write_text(f"{head}\nlenet:\n{lenet}")


def test_a_training_says_what_to_lower(project: Path, stage: Stage) -> None:
    enlarge(project)
    done = stage(project, "train_lenet", *limited(5000))
    ends_with_a_message(done, "not enough memory", "lower lenet.batch_size or lenet.image_size")


@pytest.mark.faults
@pytest.mark.parametrize("megabytes", range(100, 6000, 200))
def test_whatever_the_limit(megabytes: int, project: Path, stage: Stage) -> None:
    enlarge(project)
    done = stage(project, "train_lenet", *limited(megabytes))
    print(megabytes, done.returncode, done.stderr)
    if "bad_alloc" in done.stderr:
        # C++ ends the process itself, where it finds no memory for torch's own tables.
        assert done.returncode == -signal.SIGABRT
    else:
        end_is_quiet(done)
        assert done.returncode in (0, 1)
