"""The Makefile: what a user sets is never executed, no edit is lost, and the locks are exact."""

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell, link_environment

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)


def test_help_lists_every_target_with_its_purpose_under_a_heading(shell: Shell) -> None:
    lines = shell("make", "help", cwd=ROOT).stdout.splitlines()
    shown = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    described = re.findall(r"^([a-z-]+):.*## (.+)$", MAKEFILE, re.MULTILINE)
    assert shown == [list(each) for each in described]
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == ["Run", "Look", "Compare", "Trust", "Work on it"]


def test_a_file_named_like_a_target_does_not_hide_it() -> None:
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].replace("\\", " ").split()) == set(TARGETS)


@pytest.fixture
def project(clone: Path) -> Path:
    """A clone with an environment that is up to date and has this Python's programs."""
    link_environment(clone)
    return clone


@pytest.fixture
def recorder(project: Path) -> Path:
    """The same, but its programs only record how they are called, in the file `calls`."""
    (project / ".venv/bin").unlink()
    (project / ".venv/bin").mkdir()
    program = (
        f"#!{sys.executable}\nimport json, os, sys\n"
        "names = ('BASELINE', 'BRANCH', 'BASE', 'RUN', 'TAG', 'UPDATE')\n"
        "call = [os.path.basename(sys.argv[0]), *sys.argv[1:], {n: os.environ[n] for n in names}]\n"
        "open('calls', 'a').write(json.dumps(call) + '\\n')\n"
    )
    for name in (".venv/bin/python", ".venv/bin/pytest", ".venv/bin/dvc", ".venv/bin/pip"):
        (project / name).write_text(program)
        (project / name).chmod(0o755)
    for name in ("retrain", "propose", "promote"):
        (project / ".ci" / name).write_text(program)
    return project


VALUES = [
    "lenet; touch executed",
    "`touch executed`",
    "$(touch executed)",
    "$(shell touch executed)",
    "$$(touch executed)",
    "lenet' \"; touch executed #",
    "lenet\ntouch executed",
    "* $HOME",
]
COMMAND = ["python", "-m", "fashion_cnn"]
CALLS = [
    ("repro", "PRESET", [*COMMAND, "preset", "--", "{}"]),
    ("compare", "MODEL", [*COMMAND, "compare", "--", "{}"]),
    ("compare", "ALL", [*COMMAND, "compare", "--all"]),
    ("seeds", "MODEL", [*COMMAND, "seeds", "--", "{}", "5"]),
    ("seeds", "N", [*COMMAND, "seeds", "--", "lenet", "{}"]),
    ("sweep", "MODEL", [*COMMAND, "sweep", "--", "{}"]),
    ("verify", "MODEL", [*COMMAND, "verify", "--model={}"]),
    ("gate", "BASELINE", [*COMMAND, "gate", "--baseline={}"]),
    ("gate", "MODEL", [*COMMAND, "gate", "--baseline=HEAD", "--model={}"]),
    ("gate", "ALL", [*COMMAND, "gate", "--baseline=HEAD", "--all"]),
    ("report", "BASELINE", [*COMMAND, "report", "--baseline={}"]),
    ("retrain", "BASELINE", ["retrain"]),
    ("retrain", "REMOTE", ["retrain"]),
    ("retrain", "UPDATE", ["retrain"]),
    ("propose", "BRANCH", ["propose"]),
    ("propose", "BASE", ["propose"]),
    ("propose", "RUN", ["propose"]),
    ("promote", "TAG", ["promote"]),
]


@pytest.mark.parametrize(("target", "variable", "call"), CALLS)
@pytest.mark.parametrize("given", ["as an argument", "by the environment"])
def test_a_value_arrives_as_it_was_given_and_is_never_executed(
    recorder: Path, shell: Shell, target: str, variable: str, call: list[str], given: str
) -> None:
    for value in VALUES:
        (recorder / "calls").unlink(missing_ok=True)
        if given == "as an argument":
            done = shell("make", target, f"{variable}={value}", cwd=recorder)
        else:
            done = shell("make", target, cwd=recorder, **{variable: value})
        assert done.returncode == 0, done.stderr
        assert not (recorder / "executed").exists(), value
        calls = [json.loads(line) for line in (recorder / "calls").read_text().splitlines()]
        wanted = [part.format(value) for part in call]
        found = [each for each in calls if each[:-1] == wanted]
        assert found, calls
        if variable in found[0][-1]:
            assert found[0][-1][variable] == value


@pytest.mark.parametrize("value", VALUES)
def test_words_of_options_and_parts_are_never_executed(
    recorder: Path, shell: Shell, value: str
) -> None:
    for target, variable in (("bench-gpu", "OPTIONS"), ("test-fast", "PART")):
        assert shell("make", target, f"{variable}={value}", cwd=recorder).returncode == 0
    assert not (recorder / "executed").exists()
    calls = [json.loads(line)[:-1] for line in (recorder / "calls").read_text().splitlines()]
    assert ["python", "-m", "benchmarks.gpu", *value.split()] in calls
    assert calls[-1][-1] == f"tests/{value}"


def test_every_variable_that_a_recipe_reads_is_passed_on_unexpanded() -> None:
    settings = re.search(r"^SETTINGS := (.+)$", MAKEFILE, re.MULTILINE)
    assert settings
    read = set(re.findall(r"\$\$\{?([A-Z]+)", MAKEFILE))
    assert read <= {*settings[1].split(), "PYTHON"}
    pasted = set(re.findall(r"\$\(([A-Z]+)\)", MAKEFILE))
    assert not pasted & set(settings[1].split())
    assert {variable for _, variable, _ in CALLS} | {"OPTIONS", "PART", "JOBS"} == set(
        settings[1].split()
    )


def test_nothing_else_that_make_pastes_into_a_recipe_can_be_set(
    recorder: Path, shell: Shell
) -> None:
    text = re.sub(r"^\t.*", "", MAKEFILE, flags=re.MULTILINE)
    assigned = re.findall(r"^(.*?)([.\w]+) :?= ", text, re.MULTILINE)
    free = {name for before, name in assigned if "override" not in before}
    assert free == {".DEFAULT_GOAL", "SETTINGS"}
    assert {"SHELL", ".SHELLFLAGS", "PATH"} <= {name for _, name in assigned}
    for value in ("SHELL=/bin/true", ".SHELLFLAGS=-nc", "PATH=/usr/bin:/bin", "PYTEST=touch x;"):
        (recorder / "calls").unlink(missing_ok=True)
        shell("make", "gate", "test", value, cwd=recorder)
        calls = (recorder / "calls").read_text()
        assert '"fashion_cnn", "gate"' in calls, value
        assert '["pytest"' in calls, value
    assert not (recorder / "x").exists()


HISTORY = ["preset PRESET=smoke", "repro", "propose BRANCH=x BASE=y", "promote TAG=lenet@v1.0.0"]


@pytest.mark.parametrize("command", [*HISTORY, "retrain"])
def test_a_tree_that_git_does_not_read_is_named(
    command: str, project: Path, shell: Shell, tmp_path: Path
) -> None:
    variables = {"PYTHONPATH": "", "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    done = shell("make", *command.split(), cwd=project, **variables)
    assert done.stderr.startswith(f"error: {project} belongs to another user, so git does not")
    (project / ".git").rename(tmp_path / "git")
    done = shell("make", *command.split(), cwd=project)
    assert done.stderr.startswith(f"error: {project} is not in a git repository, such as an unp")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2, done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("make compare MODEL='lenet; touch x'", "invalid choice: 'lenet; touch x'"),
        ("make seeds MODEL=resnet", "invalid choice: 'resnet'"),
        ("make seeds N='`touch x`'", "invalid int value: '`touch x`'"),
        ("make sweep MODEL='$(touch x)'", "invalid choice: '$(touch x)'"),
        ("make verify MODEL='$(shell touch x)'", "invalid choice: '$(shell touch x)'"),
        ("make preset PRESET='smoke; touch x'", "there is no preset 'smoke; touch x'"),
        ("make compare MODEL=--all", "invalid choice: '--all'"),
        ("make seeds MODEL=--help", "invalid choice: '--help'"),
        ("make preset PRESET=-h", "there is no preset '-h'"),
        ("make repro JOBS='2; touch x'", "JOBS: expected a number from 1 to 99, got '2; touch x'"),
        ("make repro JOBS=0", "JOBS: expected a number from 1 to 99, got '0'"),
        ("make repro JOBS=100", "JOBS: expected a number from 1 to 99, got '100'"),
        ("make gate BASELINE=workspace", "expected a git revision or none, got the run itself"),
        ("make preset PRESET=../config/sweep", "there is no preset '../config/sweep'"),
        ("make promote", "error: TAG is not set"),
        ("make promote TAG='lenet@v1.0.0; touch x'", "error: TAG: expected MODEL@vX.Y.Z"),
        ("make propose", "error: BRANCH and BASE must be set"),
        ("make propose BRANCH=retrain/1", "error: BRANCH and BASE must be set"),
    ],
)
def test_a_wrong_value_gets_the_commands_own_error(
    project: Path, shell: Shell, command: str, message: str
) -> None:
    params = (project / "params.yaml").read_bytes()
    done = shell(*shlex.split(command), cwd=project, PYTHONPATH=str(project / "src"))
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "x").exists()
    assert (project / "params.yaml").read_bytes() == params


def preset(project: Path, shell: Shell, name: str) -> tuple[int, str]:
    done = shell("make", "preset", f"PRESET={name}", cwd=project, PYTHONPATH=str(project / "src"))
    return done.returncode, done.stderr


def test_a_preset_takes_the_place_of_committed_params_and_of_another_preset(
    project: Path, shell: Shell
) -> None:
    committed = (project / "params.yaml").read_bytes()
    for name in ("smoke", "gpu", "cpu"):
        assert preset(project, shell, name) == (0, "")
        assert f"PRESET={name}" in (project / "params.yaml").read_text()
    assert (project / "params.yaml").read_bytes() == committed


def test_edits_that_are_not_committed_are_not_overwritten(project: Path, shell: Shell) -> None:
    params = project / "params.yaml"
    assert preset(project, shell, "smoke")[0] == 0
    for before in (params.read_bytes(), b"# mine\n"):
        edited = before + b"# mine\n"
        params.write_bytes(edited)
        status, error = preset(project, shell, "cpu")
        assert status != 0
        assert "params.yaml has edits that are not committed" in error
        assert params.read_bytes() == edited
    shell("git", "checkout", "HEAD", "params.yaml", cwd=project)
    params.write_bytes(params.read_bytes() + b"# mine\n")
    shell("git", "commit", "-qam", "mine", cwd=project)
    assert preset(project, shell, "cpu")[0] == 0


@pytest.mark.parametrize("lock", ["run.txt", "test.txt"])
def test_an_environment_of_another_lock_is_made_again(
    recorder: Path, shell: Shell, lock: str
) -> None:
    python = recorder / ".venv/bin/python"

    def installed() -> list[str]:
        (recorder / "calls").write_text("")
        done = shell("make", "test-environment", f"PYTHON={python}", cwd=recorder)
        assert done.returncode == 0, done.stderr
        calls = [json.loads(line)[:-1] for line in (recorder / "calls").read_text().splitlines()]
        return [call[-1] for call in calls if "--require-hashes" in call]

    assert installed() == []
    (recorder / ".venv" / lock).write_text("another lock")
    assert installed() == [f"requirements/{lock}"]
    assert (recorder / ".venv" / lock).read_text() == (ROOT / "requirements" / lock).read_text()
    assert installed() == []


@pytest.mark.parametrize("name", ["run", "test", "remotes", "peers", "labels", "mutants"])
def test_a_lock_holds_exact_versions_with_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    entries = [line for line in text.splitlines() if not line.startswith((" ", "#"))]
    assert all(re.match(r"[\w.-]+(\[\w+\])?==[\w.+!-]+ ", entry) for entry in entries)
    assert text.count("\n    --hash=sha256:") >= len(entries)


def test_both_locks_pin_the_same_versions_and_every_direct_dependency() -> None:
    def pins(name: str) -> dict[tuple[str, str], str]:
        text = (ROOT / "requirements" / name).read_text()
        found = re.findall(r"^([\w.-]+)\S*?==([\w.+!-]+)(.*)$", text, re.MULTILINE)
        return {(package, marker.strip(" \\")): version for package, version, marker in found}

    run, test = pins("run.txt"), pins("test.txt")
    assert run.items() <= test.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {package.lower() for package, _ in run}
    for requirement in project["dependencies"]:
        assert re.split(r"[<>=]", requirement)[0].lower().replace(".", "-") in {
            name.replace(".", "-") for name in names
        }
    assert {"torch==2.14.1", "torchvision==0.29.1"} <= set(project["dependencies"])
