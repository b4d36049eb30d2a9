"""The report of two revisions as a user asks for it: what it says, and what it lacks."""

import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest

from fashion_cnn.base.errors import InputError
from fashion_cnn.tools.report import numbers
from fashion_cnn.tools.report.writing import write
from fashion_cnn.tools.revision import MissingError, Revision
from tests.conftest import ROOT, Shell


def test_a_change_is_told_with_its_p_value(report: Path) -> None:
    text = (report / "report.md").read_text()
    text = text[text.index("## What changed: lenet.skill 1.5 to 3.0") :]
    row = next(line for line in text.splitlines() if line.startswith("| Test accuracy"))
    lenet, vgg, _ = (cell.strip() for cell in row.split("|")[2:5])
    assert re.fullmatch(r"\*\*\+\d+\.\d\d points\*\* \(more than noise, p &lt; 0\.001\)", lenet)
    assert vgg == "±0 (the same)"
    row = next(line for line in text.splitlines() if line.startswith("| Validation accuracy"))
    assert "**+45.00 points** (more than noise)" in row
    html = (report / "report.html").read_text()
    assert "McNemar&#39;s exact test" in html
    assert "Compared with worse" in html
    assert "Make LeNet worse" not in html[: html.index("<main")]


def test_the_short_report_shows_images_that_are_there(report: Path) -> None:
    images = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (report / "report.md").read_text())
    assert len(images) > 5
    assert {report / name for name in images} == set((report / "report_images").iterdir())
    for path in (report / "report_images").glob("*.svg"):
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_two_revisions_give_the_same_bytes_again(project: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(project, "better", "worse", tmp_path / folder)
    for path in (tmp_path / "one").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_a_commit_against_itself_has_no_change(project: Path, tmp_path: Path) -> None:
    write(project, "better", "HEAD", tmp_path)
    assert "this very commit: nothing differs" in (tmp_path / "report.md").read_text()


def test_files_are_a_revisions_own(project: Path) -> None:
    old, new = (
        Revision(project, name).json("metrics/evaluate/lenet.json") for name in ("worse", "HEAD")
    )
    assert old["accuracy"] < new["accuracy"]
    assert Revision(project).json("metrics/evaluate/lenet.json") == new
    data = [
        Revision(project, name).read("data/predictions/lenet.csv") for name in ("worse", "HEAD")
    ]
    assert data[0] != data[1] == (project / "data/predictions/lenet.csv").read_bytes()
    assert Revision(project, "worse").pictures("plots/kernels/vgg")[0].endswith("conv1.png")


def test_the_workspace_is_what_lies_there_or_else_what_the_cache_has(copied: Path) -> None:
    folder = copied / "plots/kernels/vgg"
    (folder / "conv1.png").rename(folder / "other.png")
    (copied / "data/predictions/vgg.csv").unlink()
    workspace = Revision(copied)
    assert [Path(path).name for path in workspace.pictures("plots/kernels/vgg")] == [
        "conv2.png",
        "other.png",
    ]
    committed = Revision(copied, "HEAD").read("data/predictions/vgg.csv")
    assert workspace.read("data/predictions/vgg.csv") == committed


def test_what_the_cache_lacks_is_noted_and_the_rest_is_shown(copied: Path, tmp_path: Path) -> None:
    shutil.rmtree(copied / ".dvc" / "cache")
    for folder in ("data/predictions", "plots/kernels", "plots/evaluate"):
        shutil.rmtree(copied / folder)
    (copied / "plots/classes/vgg.csv").unlink()
    (copied / "plots/training/vgg.csv").write_text("epoch\n1\n")
    (copied / "plots/grad_cam/vgg.png").unlink()
    (copied / "plots/grad_cam/vgg.png").write_bytes(b"no image")
    (copied / "metrics/compare_models.json").write_text("{")
    (copied / "data/predictions").mkdir()
    (copied / "data/predictions/vgg.csv").write_text("label,predicted,Bag\nBag,Hat,1.0\n")
    write(copied, "workspace", "worse", tmp_path)
    html = (tmp_path / "report.html").read_text()
    for path in ("data/predictions/lenet.csv", "plots/kernels/vgg11"):
        assert re.search(
            rf"{path}\S* of the workspace at [^<]+ is not in the cache: dvc pull", html
        )
    for note in (
        r"plots/classes/vgg.csv is not in the workspace",
        r"plots/training/vgg.csv of the workspace at [^<]+ has no column train_loss",
        r"plots/grad_cam/vgg.png is no image",
        r"metrics/compare_models.json of the workspace at [^<]+ cannot be read",
        r"data/predictions/vgg.csv of the workspace at [^<]+ cannot be read",
    ):
        assert re.search(note, html), note
    # Without predictions, the intervals of the accuracies are held against each other.
    assert "overlap of Wilson intervals" in html
    assert "F1 by class and network" in html


def test_three_tests_are_judged_together() -> None:
    # Bonferroni: 0.025 * 3 = 0.075; 0.01 * 3 = 0.03.
    for p_value, words in ((0.025, "They tie"), (0.01, "VGG-11 beats Reduced VGG")):
        pairs = [
            {"first": first, "second": second, "first_only_right": 295, "second_only_right": 346}
            | {"p_value": p}
            for first, second, p in (
                ("lenet", "vgg", 0.671),
                ("lenet", "vgg11", 0.117),
                ("vgg", "vgg11", p_value),
            )
        ]
        assert words in numbers.verdict({"pairs": pairs})


def test_what_is_of_an_earlier_run_is_withheld(copied: Path, tmp_path: Path, shell: Shell) -> None:
    params = (copied / "params.yaml").read_text()
    (copied / "params.yaml").write_text(params.replace("skill: 3.0", "skill: 2.0"))
    # LeNet's numbers are new, and the comparison of its answers with the others' is not.
    assert shell("dvc", "repro", "-q", "run@lenet", cwd=copied).returncode == 0
    write(copied, "workspace", "HEAD", tmp_path / "one")
    text = (tmp_path / "one" / "report.md").read_text()
    assert "Not shown, as of an earlier run" in text
    assert "metrics/compare_models.json. Make them anew: dvc repro compare_models" in text
    assert "All are wrong about 7 of" not in text
    assert "All are wrong about" in text
    assert "## What changed: lenet.skill 3.0 to 2.0" in text
    # Without predictions there is nothing to compute it from.
    shutil.rmtree(copied / "data/predictions")
    shutil.rmtree(copied / ".dvc/cache")
    write(copied, "workspace", "HEAD", tmp_path / "two")
    text = (tmp_path / "two" / "report.md").read_text()
    assert "All are wrong about" not in text
    assert re.search(r"compare_models\.json of .* earlier run: dvc repro compare_models", text)


def test_edits_since_the_run_are_named(copied: Path, tmp_path: Path) -> None:
    params = (copied / "params.yaml").read_text()
    (copied / "params.yaml").write_text(params.replace("skill: 3.0", "skill: 2.0"))
    write(copied, "workspace", "HEAD", tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "Shown as of the last run, though these have changed since" in text
    assert "params.yaml: lenet.skill modified from 3.0 to 2.0: run@lenet" in text


def test_markup_in_a_commit_message_is_words(copied: Path, tmp_path: Path, shell: Shell) -> None:
    message = "<img src=x onerror=alert(1)> | [a](http://b) `c`"
    done = shell("git", "commit", "-q", "--allow-empty", "-m", message, cwd=copied)
    assert done.returncode == 0
    assert shell("git", "tag", "<b>bold", cwd=copied).returncode == 0
    write(copied, "<b>bold", "worse", tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "<img src=x" not in text
        assert "<b>bold" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert r"\| \[a\](http://b) \`c\`" in text


def test_a_picture_s_answer_is_that_of_its_own_revision(project: Path, report: Path) -> None:
    """LeNet's differ, so those of the baseline must not be the new ones."""
    html = (report / "report.html").read_text()
    expected = set()
    for name, side in (("HEAD", ""), ("worse", r" \(baseline\)")):
        table = Revision(project, name).csv("data/predictions/lenet.csv", [])
        row = table.iloc[3]
        expected.add((row[row["predicted"]], side))
        confidence = f"{row[row['predicted']]:.1%}"
        assert re.search(rf"LeNet: test image 3, [^<]* with {confidence}{side}<", html)
    assert len(expected) == 2


def test_a_file_that_no_revision_has_is_missing(project: Path) -> None:
    for name in ("workspace", "worse"):
        with pytest.raises(MissingError, match=r"nothing.json is not in"):
            Revision(project, name).json("nothing.json")


def test_an_unknown_revision_is_told(project: Path, tmp_path: Path) -> None:
    for arguments in (("nonsense", "HEAD"), ("workspace", "nonsense")):
        with pytest.raises(InputError, match="git knows no revision 'nonsense'"):
            write(project, *arguments, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_commit_and_outside_git_it_is_told(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(InputError, match="is not in a git repository"):
        write(tmp_path, "workspace", "HEAD", tmp_path)
    assert shell("git", "init", "-q", cwd=tmp_path).returncode == 0
    with pytest.raises(InputError, match="it has no commit"):
        write(tmp_path, "workspace", "HEAD", tmp_path)


def test_an_empty_project_gives_a_page_of_notes(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for command in (
        ("git", "init", "-q"),
        ("dvc", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "x"),
    ):
        assert shell(*command, cwd=tmp_path).returncode == 0
    write(tmp_path, "workspace", "HEAD", tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "params.yaml is not in the workspace" in html
    assert html.count("<section ") == 15


def test_the_command_writes_into_the_repository_or_a_folder(
    project: Path, shell: Shell, tmp_path: Path
) -> None:
    command = (sys.executable, "-m", "fashion_cnn", "report")
    done = shell(
        *command,
        "better",
        "--baseline",
        "worse",
        "--output",
        str(tmp_path / "new"),
        cwd=project / "metrics",
        PYTHONPATH=str(ROOT / "src"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [
        str(tmp_path / "new" / name) for name in ("report.html", "report.md")
    ]
    (tmp_path / "file").touch()
    arguments = ("--output", str(tmp_path / "file"))
    done = shell(*command, *arguments, cwd=project, PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: --output: ")
    assert "Traceback" not in done.stderr


def test_git_ignores_what_make_report_writes(shell: Shell) -> None:
    for name in ("report.html", "report.md", "report_images/summary_1.svg"):
        assert shell("git", "check-ignore", "-q", name, cwd=ROOT).returncode == 0


def test_numbers_of_a_run_are_in_the_page(project: Path, report: Path) -> None:
    html = (report / "report.html").read_text()
    measured = json.loads((project / "metrics/evaluate/vgg.json").read_text())
    assert f"{100 * measured['accuracy']:.2f}%" in html
    assert "device cpu, precision float32" in html
    # Counted from the predictions, and not taken from the file, where the made stage writes 7.
    right = [
        table["label"] == table["predicted"]
        for table in (
            pd.read_csv(project / f"data/predictions/{model}.csv")
            for model in ("lenet", "vgg", "vgg11")
        )
    ]
    wrong = int((~right[0] & ~right[1] & ~right[2]).sum())
    assert wrong != 7
    assert f"All are wrong about {wrong} of 600 images" in html
    only = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    row = ['<th scope="row">LeNet and Reduced VGG</th>', *(f"<td>{count}</td>" for count in only)]
    assert re.search(r"\s*".join(row), html)
    locked = (project / "dvc.lock").read_text()
    data = re.search(r"path: data/fashion_mnist\n +hash: md5\n +md5: (\S+)", locked)
    assert data is not None
    assert data[1] in html
