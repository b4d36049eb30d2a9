"""The Makefile puts presets in place without losing an edit, and the locks are exact."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell


def test_help_lists_every_target_on_a_line(shell: Shell) -> None:
    lines = shell("make", "help", cwd=ROOT).stdout.splitlines()
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in lines] == targets
    assert {"repro", "test", "help", "tensorboard"} <= set(targets)
    assert all(len(line.split()) > 1 for line in lines)


def test_every_target_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"(?m)(?:`|^)make ([a-z-]+)", (ROOT / "README.md").read_text()))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named <= {*targets, "and"}


def test_a_preset_takes_the_place_of_params_that_git_holds(clone: Path, shell: Shell) -> None:
    for preset in ("smoke", "gpu", "cpu"):
        done = shell("make", "preset", f"PRESET={preset}", cwd=clone)
        assert done.returncode == 0, done.stderr
        chosen = (clone / "presets" / f"{preset}.yaml").read_bytes()
        assert (clone / "params.yaml").read_bytes() == chosen


def test_edits_that_git_does_not_hold_are_not_overwritten(clone: Path, shell: Shell) -> None:
    params = clone / "params.yaml"
    edited = params.read_bytes() + b"# mine\n"
    params.write_bytes(edited)
    done = shell("make", "preset", "PRESET=smoke", cwd=clone)
    assert done.returncode != 0
    assert "params.yaml has edits that git does not hold" in done.stderr
    assert params.read_bytes() == edited
    shell("git", "commit", "-qam", "mine", cwd=clone)
    assert shell("make", "preset", "PRESET=smoke", cwd=clone).returncode == 0


def test_a_preset_that_is_not_there_is_told_with_those_that_are(clone: Path, shell: Shell) -> None:
    before = (clone / "params.yaml").read_bytes()
    done = shell("make", "preset", "PRESET=tpu", cwd=clone)
    assert done.returncode != 0
    assert "there is no preset 'tpu'; choose one of: cpu gpu notebook smoke" in done.stderr
    assert (clone / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-test.txt", "requirements-remotes.txt"]
)
def test_a_lock_holds_exact_versions_with_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    entries = [line for line in text.splitlines() if not line.startswith((" ", "#"))]
    assert all(re.match(r"[\w.-]+(\[\w+\])?==[\w.+!-]+ ", entry) for entry in entries)
    assert text.count("\n    --hash=sha256:") >= len(entries)


def test_both_locks_pin_the_same_versions_and_every_direct_dependency() -> None:
    def pins(name: str) -> dict[tuple[str, str], str]:
        found = re.findall(r"^([\w.-]+)\S*?==([\w.+!-]+)(.*)$", (ROOT / name).read_text(), re.M)
        return {(package, marker.strip(" \\")): version for package, version, marker in found}

    run, test = pins("requirements.txt"), pins("requirements-test.txt")
    assert run.items() <= test.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {package.lower() for package, _ in run}
    for requirement in project["dependencies"]:
        assert re.split(r"[<>=]", requirement)[0].lower().replace(".", "-") in {
            name.replace(".", "-") for name in names
        }
    assert {"torch==2.14.1", "torchvision==0.29.1"} <= set(project["dependencies"])
