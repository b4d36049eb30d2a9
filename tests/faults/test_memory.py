"""Too little memory: a message with the keys to lower."""

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
    done = stage(project, "check_shapes", *limited(5000))
    ends_with_a_message(done, "training lenet takes an estimated ", "`ulimit -v` leaves 1.")
    ends_with_a_message(done, "lower lenet.batch_size to ", "or lower lenet.image_size")
    # The shapes are still those of smaller images, so that the estimate is too low.
    done = stage(project, "train_lenet", *limited(5000))
    ends_with_a_message(done, "lower lenet.batch_size to 320 or lower lenet.image_size")


@pytest.mark.parametrize("limit", ["-v 3000000", "-d 700000"])
def test_too_little_to_load_torch(limit: str, project: Path, stage: Stage) -> None:
    limited = ("sh", "-c", f'ulimit {limit}; exec "$@"', "sh")
    ends_with_a_message(stage(project, "check_shapes", *limited), "load PyTorch", "at least 4 GB")
    # It does without torch.
    assert stage(project, "compare_models", *limited).returncode == 0


@pytest.mark.faults
@pytest.mark.parametrize("megabytes", range(100, 6000, 200))
def test_whatever_the_limit(megabytes: int, project: Path, stage: Stage) -> None:
    enlarge(project)
    done = stage(project, "train_lenet", *limited(megabytes))
    print(megabytes, done.returncode, done.stderr)
    end_is_quiet(done)
    assert done.returncode in (0, 1)
