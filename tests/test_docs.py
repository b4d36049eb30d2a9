"""What README.md and docs/ show exists and works; the README's experiment is really run."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fashion_cnn.base import params
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.settings import merged
from tests.conftest import ROOT, Shell

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def inline_code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in a page: lines of sh blocks, those after `$`, inline code."""
    blocks = re.findall(r"^```(sh|console)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [
        line.removeprefix("$ ")
        for kind, block in blocks
        for line in block.splitlines()
        if kind == "sh" or line.startswith("$ ")
    ]
    for line in [*lines, *inline_code(page)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # an apostrophe: no command
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words:
            yield words


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 160


def test_the_readmes_results_are_those_of_the_committed_run() -> None:
    text = README.read_text()
    rows = re.findall(r"^\| .+ \| .+ \| [\d,]+ \| \d+ \| .+ \| .+ \|$", text, re.MULTILINE)
    assert len(rows) == len(MODELS)
    for model, row in zip(MODELS, rows, strict=True):
        _, _, _, parameters, epochs, accuracy, *_ = (cell.strip() for cell in row.split("|"))
        measured = json.loads((ROOT / f"metrics/evaluate/{model}.json").read_text())
        (more,) = measured["details"]
        expected = [measured[model]["accuracy"], more["accuracy_low"], more["accuracy_high"]]
        assert [*map(float, re.findall(r"0\.\d{3}", accuracy))] == pytest.approx(
            expected, abs=5.1e-4
        )
        assert parameters == f"{more['parameters']:,}"
        curve = (ROOT / f"plots/training/{model}.csv").read_text().splitlines()
        assert epochs == str(len(curve) - 1)
    pairs = json.loads((ROOT / "metrics/compare_models.json").read_text())["pairs"]
    by_chance = [pair["p_value"] for pair in pairs if pair["p_value"] < 0.05]
    named = [float(text) for text in re.findall(r"p = ([\d.]+)", text)]
    assert sorted(named) == pytest.approx(sorted(by_chance), abs=5.1e-4)


def test_our_results_beside_published_ones_are_those_of_the_readme() -> None:
    page = (ROOT / "docs/results.md").read_text()
    ours = re.findall(r"^\| \*\*.+\*\* \| ([\d,]+) \| .+? \| (.+?) \|", page, re.MULTILINE)
    assert len(ours) == len(MODELS)
    for parameters, accuracy in ours:
        assert re.search(rf"\| {parameters} \| \d+ \| {re.escape(accuracy)} \|", README.read_text())


def test_every_page_is_linked_from_the_readme() -> None:
    for page in DOCS:
        assert f"(docs/{page.name})" in README.read_text(), page.name


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@each_page
def test_every_make_target_and_its_variables_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    settings = re.search(r"^SETTINGS := (.+)$", makefile, re.MULTILINE)
    assert settings
    for words in commands(page):
        if words[0] == "make":
            assert words[1] in targets, words
            variables = {word.partition("=")[0] for word in words[2:]}
            assert variables <= {*settings[1].split(), "PYTHON"}, words


@cache
def help_of(command: str) -> str:
    """The help of `python -m fashion_cnn command`, after checking that there is one."""
    done = subprocess.run(
        [sys.executable, "-m", "fashion_cnn", command, "--help"],
        env={"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@each_page
def test_every_command_of_the_package_and_its_options_exist(page: Path) -> None:
    for words in commands(page):
        if words[:3] == ["python", "-m", "fashion_cnn"]:
            shown = help_of(words[3])
            for word in words[4:]:
                assert not word.startswith("--") or word in shown, words


@each_page
def test_every_parameter_that_is_set_exists_and_takes_the_value(page: Path, tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    default = yaml.load(ROOT / "params.yaml")
    for words in commands(page):
        settings = [word for flag, word in pairwise(words) if flag == "-S"]
        for setting in settings:
            key, _, values = setting.partition("=")
            if not key.startswith("++"):
                assert names_a_value(default, key), f"{setting}: not in params.yaml, so needs ++"
            for value in values.split(","):
                changed: object = yaml.load(value)
                for part in reversed(key.removeprefix("++").split(".")):
                    changed = {part: changed}
                yaml.dump(merged(default, changed), tmp_path / "params.yaml")
                params.load(tmp_path / "params.yaml")


def names_a_value(values: object, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


FOLDERS = [*{path.name for path in ROOT.iterdir() if path.is_dir()}, "runs", ".checkpoints"]
ENDINGS = "yaml|yml|md|lock|html|json|csv|py"
PATH = re.compile(rf"({'|'.join(map(re.escape, FOLDERS))})/[\w./-]*|[\w./-]+\.({ENDINGS})")


@each_page
def test_every_file_that_is_named_exists_or_is_made_by_the_pipeline(
    page: Path, shell: Shell
) -> None:
    listed = shell("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    outs = [
        re.sub(r"\$\{\w+\}", "lenet", next(iter(out)) if isinstance(out, dict) else out)
        for stage in stages
        for kind in ("outs", "metrics", "plots")
        for out in stage.get("do", stage).get(kind, [])
    ]
    for code in inline_code(page):
        if not PATH.fullmatch(code) or "NAME" in code:
            continue
        # MODEL stands for any, as does the network that a page adds; what follows in capitals is
        # below a folder that is an output.
        name = re.sub(r"/(IMAGE|LAYER).*", "", re.sub("MODEL|resnet", "lenet", code)).rstrip("/")
        known = any(
            f"{path}/".startswith(f"{name}/") or f"{name}/".startswith(f"{path}/")
            for path in [*outs, *listed]
        )
        ignored = shell("git", "check-ignore", name, f"{name}/x", cwd=ROOT).returncode == 0
        package = ROOT / "src/fashion_cnn" / name
        assert known or ignored or package.exists(), code


def test_development_names_every_part_of_the_package() -> None:
    text = (ROOT / "docs/development.md").read_text()
    package = ROOT / "src/fashion_cnn"
    tracked = subprocess.check_output(["git", "ls-files", "-z", package], cwd=ROOT, text=True)
    paths = [(ROOT / name).relative_to(package) for name in tracked.split("\0") if name]
    parts = {f"{path.parts[0]}/" if len(path.parts) > 1 else str(path) for path in paths}
    for part in parts - {"__init__.py", "__main__.py"}:
        assert f"`{part}`" in text, part


def recorded(page: Path) -> list[tuple[str, list[str]]]:
    """The commands of a page's first recorded block, each with the output shown."""
    block = re.search(r"<!-- recorded -->\n```console\n(.*?)^```", page.read_text(), re.M | re.S)
    assert block
    parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def stable(lines: list[str]) -> list[str]:
    """The lines without numbers and hashes, with white space and rules of a single width."""
    varying = r"(?<!\w)-?\d+(\.\d+)?(?!\w)|\b[0-9a-f]{7}\b"
    kept = [line for line in lines if not re.search(varying, line)]
    return [re.sub(r"-+", "-", " ".join(line.split())) for line in kept if line.split()]


@pytest.mark.long
def test_the_readmes_experiment_gives_the_output_that_it_shows(
    unchanged: Path, shell: Shell
) -> None:
    (unchanged / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (unchanged / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for lock in ("run.txt", "test.txt"):
        shutil.copy(ROOT / "requirements" / lock, unchanged / ".venv")
    for command, shown in recorded(README):
        done = shell(*shlex.split(command), cwd=unchanged, PYTHONPATH=str(unchanged / "src"))
        assert done.returncode == 0, done.stderr
        printed = iter(stable(done.stdout.splitlines()))
        for line in stable(shown):
            assert line == "..." or line in printed, f"{command}: {line}\n{done.stdout}"
        if command.startswith("dvc exp run"):
            ran = re.findall(r"^Running stage '.+':$", done.stdout, re.MULTILINE)
            assert ran == [line for line in shown if line.startswith("Running")] != []
    shutil.rmtree(unchanged / ".venv")
    shell("dvc", "exp", "remove", "faster", cwd=unchanged)
