"""The whole pipeline as a user runs it: real `dvc repro` of the smoke preset in a fresh clone."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from fashion_cnn import params
from fashion_cnn.dataset import CLASSES
from tests.conftest import ROOT, Shell, SmokeRun

MODELS = ("lenet", "vgg", "vgg11")
STAGES = [
    "download",
    "check_shapes",
    "train_lenet",
    "train_vgg",
    "finetune_vgg11",
    *(f"{stage}@{model}" for stage in ("export_images", "evaluate") for model in MODELS),
]


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The stages that a `dvc repro` executed, after checking that it succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(re.findall(r"Running stage '(.+?)'", done.stdout))


def test_every_stage_ran_once(smoke_run: SmokeRun) -> None:
    assert ran(smoke_run.done) == sorted(STAGES)


def test_every_output_is_there_and_measured_on_real_images(smoke: Path) -> None:
    shapes = json.loads((smoke / "metrics/check_shapes.json").read_text())
    assert {model: shapes[model]["parameters"] for model in MODELS} == {
        "lenet": 44_426,
        "vgg": 2_018_346 - (7 * 7 - 1) * 64 * 512,  # 1x1, not 7x7 pixels reach the classifier
        "vgg11": 128_806_154,
    }
    values = params.load(smoke / "params.yaml")
    for model in MODELS:
        curve = pd.read_csv(smoke / f"plots/training/{model}.csv")
        assert len(curve) == getattr(values, model).epochs
        metrics = json.loads((smoke / f"metrics/evaluate/{model}.json").read_text())
        table = pd.read_csv(smoke / f"data/predictions/{model}.csv")
        assert len(table) == metrics["images"] == values.evaluate.test_images
        assert list(table.columns) == ["index", "label", "predicted", *CLASSES]
        assert metrics["accuracy"] == pytest.approx((table.label == table.predicted).mean())
        confusion = pd.read_csv(smoke / f"plots/confusion/{model}.csv")
        assert list(confusion.columns) == ["actual", "predicted"]
        assert confusion["predicted"].tolist() == table["predicted"].tolist()
        layers = 2 if model == "lenet" else 8
        for kind in ("filters", "feature_maps"):
            pictures = list((smoke / "plots" / kind / model).iterdir())
            assert len(pictures) == layers
            assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert json.loads((smoke / "metrics/evaluate/lenet.json").read_text())["accuracy"] > 0.5


def test_a_second_run_executes_nothing(smoke: Path, shell: Shell) -> None:
    done = shell("dvc", "repro", cwd=smoke)
    assert ran(done) == []
    assert "Data and pipelines are up to date." in done.stdout


def test_a_forced_run_leaves_git_clean(smoke: Path, shell: Shell) -> None:
    trained = ["check_shapes", "train_lenet", "train_vgg"]
    used = ["export_images@vgg11", "evaluate@vgg11", "export_images@lenet", "evaluate@lenet"]
    done = shell("dvc", "repro", "--force", "--single-item", *trained, *used, cwd=smoke)
    assert ran(done) == sorted(trained + used)
    assert shell("git", "status", "--porcelain", cwd=smoke).stdout == ""


def test_a_learning_rate_runs_only_what_depends_on_it_and_arrives_as_dvc_records_it(
    unchanged: Path, shell: Shell
) -> None:
    done = shell("dvc", "exp", "run", "-S", "lenet.learning_rate=1e-5", cwd=unchanged)
    assert ran(done) == ["evaluate@lenet", "export_images@lenet", "train_lenet"]
    assert "learning_rate: 1e-05" in (unchanged / "params.yaml").read_text()
    locked = YAML(typ="safe").load(unchanged / "dvc.lock")
    recorded = locked["stages"]["train_lenet"]["params"]["params.yaml"]["lenet"]["learning_rate"]
    assert recorded == params.load(unchanged / "params.yaml").lenet.learning_rate == 1e-5
    curve = pd.read_csv(unchanged / "plots/training/lenet.csv")
    assert curve["learning_rate"].max() <= 1e-5
    shutil.copy(unchanged / "presets/smoke.yaml", unchanged / "params.yaml")
    assert ran(shell("dvc", "repro", cwd=unchanged)) == []
    assert shell("git", "status", "--porcelain", cwd=unchanged).stdout == ""


def test_a_width_retrains_its_network_alone(unchanged: Path, shell: Shell) -> None:
    text = (unchanged / "params.yaml").read_text()
    (unchanged / "params.yaml").write_text(
        re.sub(r"width_divisor: +\d+", "width_divisor: 32", text)
    )
    assert ran(shell("dvc", "repro", cwd=unchanged)) == [
        "check_shapes",
        "evaluate@vgg",
        "export_images@vgg",
        "train_vgg",
    ]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ((r"(vgg11:\n  image_size:) +\d+", r"\1 16"), r"vgg11, image_size 16: .*\(MaxPool2d\)"),
        (
            (r"(vgg:\n  image_size:) +\d+", r"\1 31"),
            r"vgg, image_size 31: features\.20 \(MaxPool2d\)",
        ),
        ((r"(lenet:\n  image_size:) +\d+", r"\1 9"), r"lenet, image_size 9: conv2 \(Conv2d\)"),
    ],
)
def test_an_image_too_small_stops_before_training(
    unchanged: Path, shell: Shell, edit: tuple[str, str], told: str
) -> None:
    text = (unchanged / "params.yaml").read_text()
    changed = re.sub(*edit, text)
    assert changed != text
    (unchanged / "params.yaml").write_text(changed)
    done = shell("dvc", "repro", cwd=unchanged)
    assert done.returncode != 0
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr
    assert not re.search(r"Running stage '(train|finetune)", done.stdout)


def test_over_its_budget_nothing_is_trained(unchanged: Path, shell: Shell) -> None:
    done = shell("dvc", "exp", "run", "-S", "lenet.budget.parameters=1000", cwd=unchanged)
    assert done.returncode != 0
    assert "lenet.budget.parameters: expected at most 1000, estimated 44426; fc1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search(r"Running stage '(train|finetune)", done.stdout)


def test_a_classifier_that_does_not_fit_is_named(unchanged: Path, shell: Shell) -> None:
    source = unchanged / "src/fashion_cnn/models/lenet.py"
    source.write_text(
        source.read_text().replace("nn.Linear(num_features, 120)", "nn.Linear(400, 120)")
    )
    done = shell("dvc", "repro", cwd=unchanged)
    assert done.returncode != 0
    assert re.search(r"lenet, image_size 28: fc1 \(Linear\).*400.*256", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stage", ["evaluate", "export_images"])
def test_bad_weights_stop_a_stage_with_the_stage_that_mends_them(
    unchanged: Path, shell: Shell, stage: str
) -> None:
    path = unchanged / "data/models/vgg11.safetensors"
    for damage in ("truncated", "foreign", "missing"):
        path.unlink()
        if damage == "truncated":
            path.write_bytes((unchanged / "data/models/lenet.safetensors").read_bytes()[:-9])
        elif damage == "foreign":
            shutil.copy(unchanged / "data/models/lenet.safetensors", path)
        done = shell(
            "python",
            f"stages/{stage}.py",
            "vgg11",
            cwd=unchanged,
            PYTHONPATH=str(unchanged / "src"),
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "make it with `dvc repro finetune_vgg11`" in done.stderr
        assert "Traceback" not in done.stderr
        path.touch()


def test_an_image_that_is_not_there_is_told(unchanged: Path, shell: Shell) -> None:
    text = (unchanged / "params.yaml").read_text()
    (unchanged / "params.yaml").write_text(re.sub(r"  image: 0", "  image: 5000", text))
    done = shell("dvc", "repro", "export_images@lenet", cwd=unchanged)
    assert done.returncode != 0
    assert (
        "export_images.image: expected an index below dataset.validation_images, 1000, got 5000"
        in done.stderr
    )


@pytest.mark.parametrize(
    "stage",
    [
        "download",
        "check_shapes",
        "train_lenet",
        "train_vgg",
        "finetune_vgg11",
        "evaluate",
        "export_images",
    ],
)
def test_every_stage_tells_every_fault_of_the_params_before_any_work(
    unchanged: Path, shell: Shell, stage: str
) -> None:
    text = (unchanged / "params.yaml").read_text()
    text = text.replace("split_seed: 0", "split_seed: -1").replace(
        "momentum: 0.9", "momentum: 9", 1
    )
    (unchanged / "params.yaml").write_text(text)
    arguments = ["vgg"] if stage in ("evaluate", "export_images") else []
    done = shell(
        "python",
        f"../stages/{stage}.py",
        *arguments,
        cwd=unchanged / "tests",
        PYTHONPATH=str(unchanged / "src"),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: params.yaml has 2 fault(s):",
        "dataset.split_seed: expected a number greater than or equal to 0, got -1",
        "lenet.momentum: expected a number less than 1, got 9",
    ]


def test_without_params_dvc_says_so(unchanged: Path, shell: Shell) -> None:
    for content in (None, "", "- 1\n", "lenet: {}\nlenet: {}\n"):
        (unchanged / "params.yaml").unlink()
        if content is not None:
            (unchanged / "params.yaml").write_text(content)
        done = shell("dvc", "repro", cwd=unchanged)
        assert done.returncode != 0
        assert "params.yaml" in done.stderr
        assert "Traceback" not in done.stderr
        (unchanged / "params.yaml").touch()


def imported(path: Path, model: str, seen: set[Path]) -> set[Path]:
    """The project's files that running `path` imports, itself included, read from their source."""
    if path in seen:
        return seen
    seen.add(path)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    if path == ROOT / "src/fashion_cnn/models/__init__.py":  # imports a model by its name
        names |= {f"fashion_cnn.models.{name}" for name in MODELS if model in (name, "shapes")}
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            for candidate in (
                "/".join(parts[:length]) + ".py",
                "/".join(parts[:length]) + "/__init__.py",
            ):
                if (ROOT / "src" / candidate).is_file():
                    imported(ROOT / "src" / candidate, model, seen)
    return seen


def stage_code() -> Iterator[tuple[str, str, set[str]]]:
    """Each stage's script, its model, and the code it declares."""
    for name, stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items():
        for model in stage["matrix"]["model"] if "matrix" in stage else [name.rpartition("_")[2]]:
            declared = {
                str(file.relative_to(ROOT))
                for dep in stage["deps"]
                if not dep.startswith("data/")
                for path in [ROOT / dep.replace("${item.model}", model)]
                for file in (path.rglob("*.py") if path.is_dir() else [path])
            }
            yield f"stages/{name}.py", model, declared


@pytest.mark.parametrize(("script", "model", "declared"), list(stage_code()))
def test_a_stage_declares_exactly_the_code_it_imports(
    script: str, model: str, declared: set[str]
) -> None:
    closure = {str(path.relative_to(ROOT)) for path in imported(ROOT / script, model, set())}
    assert declared == closure


def test_the_committed_run_belongs_to_the_committed_params(shell: Shell) -> None:
    locked = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    assert sorted(locked) == sorted(STAGES)
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    for stage in locked.values():
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            found = values
            for part in key.split("."):
                found = found[part]
            assert found == value
