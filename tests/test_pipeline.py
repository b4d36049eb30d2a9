"""The whole pipeline as a user runs it: real `dvc repro` of the smoke preset in a fresh clone."""

import ast
import csv
import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from fashion_cnn.base import params
from fashion_cnn.base.models import MODELS as TRAINING
from fashion_cnn.base.settings import flatten
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.trained import weights
from fashion_cnn.visualize.extraction import convolutions
from tests.conftest import ROOT, Shell, SmokeRun, put_preset
from tests.processes import running, wait_until
from tests.terminal import in_terminal

MODELS = tuple(TRAINING)
STAGES = [
    "download",
    "check_shapes",
    "train_lenet",
    "train_vgg",
    "finetune_vgg11",
    *(f"{s}@{model}" for s in ("withdraw", "export_images", "evaluate") for model in MODELS),
    "compare_models",
    "explore",
]
# What DVC shows of each network.
NUMBERS = (
    *("accuracy", "macro_f1", "loss", "expected_calibration_error"),
    *("validation_accuracy", "validation_loss", "epoch", "dead_channels"),
)
EVALUATION_FIGURES = {
    "classes",
    "confident_mistakes",
    "confusion_counts",
    "confusion_normalized",
    "likely_mislabelled",
    "reliability",
}


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The stages that a `dvc repro` executed, after checking that it succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(re.findall(r"Running stage '(.+?)'", done.stdout))


def test_every_stage_ran_once(smoke_run: SmokeRun) -> None:
    assert ran(smoke_run.done) == sorted(STAGES)


def test_every_output_is_there_and_measured_on_real_images(smoke: Path) -> None:
    costs = pd.read_csv(smoke / "plots/costs.csv").set_index("model")
    assert costs["parameters"].to_dict() == {
        "lenet": 44_426,
        "vgg": 2_018_346 - (7 * 7 - 1) * 64 * 512,  # 1x1, not 7x7 pixels reach the classifier
        "vgg11": 128_806_154,
    }
    values = params.load(smoke / "params.yaml")
    for model in MODELS:
        curve = pd.read_csv(smoke / f"plots/training/{model}.csv")
        assert len(curve) == values.recipe(model).epochs
        measured = json.loads((smoke / f"metrics/evaluate/{model}.json").read_text())
        metrics = measured[model] | measured["details"][0]
        table = pd.read_csv(smoke / f"data/predictions/{model}.csv")
        assert len(table) == metrics["images"] == values.evaluate.test_images
        assert list(table.columns) == ["index", "label", "predicted", *FASHION_MNIST.classes]
        assert metrics["accuracy"] == pytest.approx((table.label == table.predicted).mean())
        confusion = pd.read_csv(smoke / f"plots/confusion/{model}.csv")
        assert list(confusion.columns) == ["actual", "predicted"]
        assert confusion["predicted"].tolist() == table["predicted"].tolist()
        assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
        assert metrics["parameters"] == costs.loc[model, "parameters"]
        assert metrics["weight_bytes"] == 4 * metrics["parameters"]
        classes = pd.read_csv(smoke / f"plots/classes/{model}.csv")
        assert classes["images"].sum() == metrics["images"]
        drawn = {path.stem for path in (smoke / "plots/evaluate" / model).iterdir()}
        assert drawn == EVALUATION_FIGURES
        network = weights.load(smoke / f"data/models/{model}.safetensors", model).network
        layers = {f"{name}.png" for name in convolutions(network)}
        assert len(layers) == (2 if model == "lenet" else 8)
        maps = smoke / "plots/feature_maps" / model
        assert {path.name for path in maps.iterdir()} == {"0", "17"}
        for folder in (smoke / "plots/kernels" / model, maps / "0", maps / "17"):
            assert {path.name for path in folder.iterdir()} == layers
            assert all(p.read_bytes().startswith(b"\x89PNG") for p in folder.iterdir())
        assert (smoke / f"plots/grad_cam/{model}.png").read_bytes().startswith(b"\x89PNG")
        dead = json.loads((smoke / f"metrics/export_images/{model}.json").read_text())
        assert dead["details"][0]["images"] == values.export_images.dead_channel_images
        assert dead["details"][0]["channels"] == sum(
            c.out_channels for c in convolutions(network).values()
        )
    compared = json.loads((smoke / "metrics/compare_models.json").read_text())
    assert [(pair["first"], pair["second"]) for pair in compared["pairs"]] == [
        ("lenet", "vgg"),
        ("lenet", "vgg11"),
        ("vgg", "vgg11"),
    ]
    assert compared["details"] == [{"images": values.evaluate.test_images}]
    lenet = json.loads((smoke / "metrics/evaluate/lenet.json").read_text())
    assert lenet["lenet"]["accuracy"] > 0.5


def test_predict_is_as_accurate_on_pngs_as_evaluate_on_the_same_images(
    unchanged: Path, shell: Shell, fashion_mnist: Path, tmp_path: Path
) -> None:
    evaluated = pd.read_csv(unchanged / "data/predictions/lenet.csv").head(200)
    images = dataset.read(fashion_mnist, "t10k")
    for index in evaluated["index"]:
        Image.fromarray(images.pixels[index, 0].numpy()).save(tmp_path / f"{index:05}.png")
    command = ("python", "-m", "fashion_cnn", "predict", "lenet", str(tmp_path), "--json")
    done = shell(*command, cwd=unchanged, PYTHONPATH="src")
    assert (done.returncode, done.stderr) == (0, "")
    predicted = pd.Series([json.loads(line)["class"] for line in done.stdout.splitlines()])
    assert predicted.tolist() == evaluated["predicted"].tolist()
    accuracy = (evaluated["label"] == evaluated["predicted"]).mean()
    assert (predicted == evaluated["label"]).mean() == accuracy > 0.5
    # What a user makes beside the weights leaves git and DVC as they were.
    done = shell("python", "-m", "fashion_cnn", "export", "lenet", cwd=unchanged, PYTHONPATH="src")
    assert done.returncode == 0, done.stderr
    assert shell("dvc", "status", "--json", cwd=unchanged).stdout.strip() == "{}"
    assert shell("git", "status", "--porcelain", cwd=unchanged).stdout == ""
    (unchanged / "data/models/lenet.onnx").unlink()


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


def test_killed_with_all_its_processes_dvc_goes_on_from_the_checkpoint(
    unchanged: Path, environment: dict[str, str]
) -> None:
    text = (unchanged / "params.yaml").read_text()
    (unchanged / "params.yaml").write_text(re.sub(r"epochs: \d+", "epochs: 400", text))

    repro = functools.partial(
        running, "dvc", "repro", "train_lenet", cwd=unchanged, environment=environment
    )
    with repro() as killed:
        wait_until(lambda: [*unchanged.glob(".checkpoints/*/*.safetensors")])
        os.killpg(killed.pid, signal.SIGKILL)
    with repro() as again:
        assert again.stdout
        lines, stopped = [], False
        for line in again.stdout:
            lines.append(line)
            if "lenet epoch" in line and not stopped:
                os.killpg(again.pid, signal.SIGTERM)
                stopped = True
    assert any("lenet: resumed in epoch" in line for line in lines), lines
    assert any("stopped by SIGTERM in epoch" in line for line in lines), lines
    shutil.rmtree(unchanged / ".checkpoints")


def test_dvc_shows_each_epoch_as_it_ends(
    unchanged: Path, shell: Shell, environment: dict[str, str]
) -> None:
    command = ("dvc", "exp", "run", "-S", "lenet.epochs=400", "train_lenet")
    with running(
        *command, cwd=unchanged, environment=environment, output=subprocess.DEVNULL
    ) as process:
        metrics = unchanged / "metrics/train/lenet.json"
        wait_until(
            lambda: metrics.exists() and json.loads(metrics.read_text())["lenet"]["epoch"] > 2
        )

        def shown() -> int:
            table = json.loads(shell("dvc", "exp", "show", "--json", cwd=unchanged).stdout)
            metrics = table[0]["data"]["metrics"]["metrics/train/lenet.json"]["data"]
            epoch: int = metrics["lenet"]["epoch"]
            return epoch

        first = shown()
        assert first > 2
        wait_until(lambda: shown() > first)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    wait_until(lambda: [*unchanged.glob(".checkpoints/*/*.safetensors")])
    shutil.rmtree(unchanged / ".checkpoints")


def test_a_learning_rate_runs_only_what_depends_on_it_and_arrives_as_dvc_records_it(
    unchanged: Path, shell: Shell, environment: dict[str, str]
) -> None:
    done = shell("dvc", "exp", "run", "-S", "lenet.learning_rate=1e-5", cwd=unchanged)
    # The shape check takes seconds, and any key of a recipe may change what training costs.
    assert ran(done) == [
        "check_shapes",
        "compare_models",
        "evaluate@lenet",
        "explore",
        "export_images@lenet",
        "train_lenet",
        "withdraw@lenet",
    ]
    assert "learning_rate: 1e-05" in (unchanged / "params.yaml").read_text()
    locked = YAML(typ="safe").load(unchanged / "dvc.lock")
    recorded = locked["stages"]["train_lenet"]["params"]["params.yaml"]["lenet"]["learning_rate"]
    assert recorded == params.load(unchanged / "params.yaml").lenet.learning_rate == 1e-5
    curve = pd.read_csv(unchanged / "plots/training/lenet.csv")
    assert curve["learning_rate"].max() <= 1e-5
    _kernels_stand_side_by_side(unchanged, shell)
    _experiments_fit_a_screen(unchanged, shell, environment)
    put_preset(unchanged, shell, "smoke")
    # Everything else comes from DVC's cache of runs.
    assert ran(shell("dvc", "repro", cwd=unchanged)) == ["withdraw@lenet"]
    assert shell("git", "status", "--porcelain", cwd=unchanged).stdout == ""


def _experiments_fit_a_screen(folder: Path, shell: Shell, environment: dict[str, str]) -> None:
    """DVC's table has short names, the test accuracies first; what changed is a short one."""
    (header,) = csv.reader(
        [shell("dvc", "exp", "show", "--csv", cwd=folder).stdout.splitlines()[0]]
    )
    # DVC's CSV has three columns that its table does not.
    assert len(set(header) - {"rev", "typ", "parent"}) <= 135
    numbers = [name for name in header if name.partition(".")[0] in MODELS][:24]
    assert {name.partition(".")[2] for name in numbers} == set(NUMBERS)
    assert "all_wrong" in header
    shown = [f"{model}.accuracy" for model in MODELS]
    # A pager cuts long lines at the terminal's width: colours take none of it.
    command = ("dvc", "exp", "show")
    _, table = in_terminal(
        *command, columns=200, cwd=folder, environment=environment | {"DVC_PAGER": "cat"}
    )
    visible = "\n".join(line[:200] for line in table.splitlines())
    assert all(name in visible for name in shown), visible
    _, table = in_terminal(*command, "--no-pager", columns=200, cwd=folder, environment=environment)
    assert "lenet.accuracy" in table
    assert max(map(len, table.splitlines())) <= 200
    short = shell(*command, "--csv", "--only-changed", "--drop", "data", cwd=folder)
    (header,) = csv.reader([short.stdout.splitlines()[0]])
    assert {"Experiment", "lenet.accuracy", "lenet.learning_rate"} <= set(header)
    assert len(set(header) - {"rev", "typ", "parent"}) <= 12
    listed = json.loads(shell("dvc", "metrics", "show", "--json", cwd=folder).stdout)
    files = listed[""]["data"].values()
    assert len([name for file in files for name in flatten(file["data"])]) == 25


def _kernels_stand_side_by_side(folder: Path, shell: Shell) -> None:
    """The pictures of two revisions differ, and follow each other in the page of both."""
    done = shell("dvc", "plots", "diff", "HEAD", "-o", "dvc_plots", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "dvc_plots/index.html").read_text()
    for picture in ("kernels_lenet_conv1", "feature_maps_lenet_17_conv2", "grad_cam_lenet"):
        names = [f"static/{revision}_plots_{picture}.png" for revision in ("workspace", "HEAD")]
        assert re.findall(rf'src="(static/\w+_plots_{picture}\.png)"', page) == names
        now, before = ((folder / "dvc_plots" / name).read_bytes() for name in names)
        assert now.startswith(b"\x89PNG")
        assert now != before


def test_a_width_retrains_its_network_alone(unchanged: Path, shell: Shell) -> None:
    text = (unchanged / "params.yaml").read_text()
    (unchanged / "params.yaml").write_text(
        re.sub(r"width_divisor: +\d+", "width_divisor: 32", text)
    )
    assert ran(shell("dvc", "repro", cwd=unchanged)) == [
        "check_shapes",
        "compare_models",
        "evaluate@vgg",
        "explore",
        "export_images@vgg",
        "train_vgg",
        "withdraw@vgg",
    ]


def test_two_branches_that_changed_one_network_each_are_merged_without_training(
    unchanged: Path, shell: Shell
) -> None:
    def git(*command: str) -> str:
        done = shell("git", *command, cwd=unchanged)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    page = (ROOT / "docs/experiments.md").read_text()
    block = page.partition("## Merge two runs")[2].partition("```sh\n")[2].partition("```")[0]
    merge, *settle = map(shlex.split, block.splitlines())
    smoke = git("rev-parse", "HEAD")
    # The same values as in the tests above: these trainings are in the run cache by now.
    edits = {
        "other": (r"width_divisor: +\d+", "width_divisor: 32"),
        "one": (r"(lenet:(?s:.*?)learning_rate:) [\d.]+", r"\1 1e-5"),
    }
    try:
        for name, (pattern, value) in edits.items():
            git("checkout", "-q", "-B", name, smoke)
            shell("dvc", "checkout", "-q", "--force", cwd=unchanged)
            text = (unchanged / "params.yaml").read_text()
            (unchanged / "params.yaml").write_text(re.sub(pattern, value, text, count=1))
            ran(shell("dvc", "repro", cwd=unchanged))
            git("commit", "-qam", name)
        done = shell(*merge, cwd=unchanged)
        assert "CONFLICT (content): Merge conflict in dvc.lock" in done.stdout
        for command in settle:
            done = shell(*command, cwd=unchanged)
            assert done.returncode == 0, done.stdout + done.stderr
            if command[0] == "dvc":
                assert not {"train_lenet", "train_vgg", "finetune_vgg11"} & {*ran(done)}
        assert git("status", "--porcelain") == ""
        assert "up to date" in shell("dvc", "status", cwd=unchanged).stdout
        locked = YAML(typ="safe").load(unchanged / "dvc.lock")["stages"]
        assert locked["train_vgg"]["params"]["params.yaml"]["vgg"]["width_divisor"] == 32
        assert locked["train_lenet"]["params"]["params.yaml"]["lenet"]["learning_rate"] == 1e-5
    finally:
        shell("git", "merge", "--abort", cwd=unchanged)
        shell("git", "checkout", "-q", "--force", "--detach", smoke, cwd=unchanged)


@pytest.mark.parametrize(
    ("edit", "message"),
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
    unchanged: Path, shell: Shell, edit: tuple[str, str], message: str
) -> None:
    text = (unchanged / "params.yaml").read_text()
    changed = re.sub(*edit, text)
    assert changed != text
    (unchanged / "params.yaml").write_text(changed)
    done = shell("dvc", "repro", cwd=unchanged)
    assert done.returncode != 0
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
    assert not re.search(r"Running stage '(train|finetune)", done.stdout)


def test_over_its_budget_nothing_is_trained(unchanged: Path, shell: Shell) -> None:
    done = shell("dvc", "exp", "run", "-S", "++budget.lenet.parameters=1000", cwd=unchanged)
    assert done.returncode != 0
    assert "lenet: budget.parameters: expected at most 1000, estimated 44426; fc1" in done.stderr
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
    (unchanged / "params.yaml").write_text(
        re.sub(r"  images: \[0, 17\]", "  images: [10000]", text)
    )
    done = shell("dvc", "repro", "export_images@lenet", cwd=unchanged)
    assert done.returncode != 0
    assert (
        "export_images.images: expected one_per_class or a list of indices from 0 to 9999, "
        "got [10000]" in done.stderr
    )


@pytest.mark.parametrize(
    "stage",
    [
        "download",
        "check_shapes",
        "train",
        "evaluate",
        "export_images",
        "compare_models",
    ],
)
def test_every_stage_tells_every_fault_of_the_params_before_any_work(
    unchanged: Path, shell: Shell, stage: str
) -> None:
    text = (unchanged / "params.yaml").read_text()
    text = text.replace("split_seed: 0", "split_seed: -1").replace(
        "schedule:", "momentum: 9\n  schedule:"
    )
    (unchanged / "params.yaml").write_text(text)
    arguments = ["vgg"] if stage in ("train", "evaluate", "export_images") else []
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
        "training.momentum: expected a number less than 1, got 9",
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
    if path == ROOT / "src/fashion_cnn/base/models.py":  # imports a model by its name
        held = {"shapes": MODELS, "explore": ("lenet", "vgg")}.get(model, (model,))
        names |= {f"fashion_cnn.models.{name}" for name in held}
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
        if name == "withdraw":  # imports nothing
            continue
        for model in MODELS if "foreach" in stage else [name.rpartition("_")[2]]:
            declared = {
                str(file.relative_to(ROOT))
                for dep in stage.get("do", stage)["deps"]
                if not dep.startswith(("data/", "plots/"))
                for path in [ROOT / re.sub(r"\$\{\w+\}", model, dep)]
                for file in (path.rglob("*.py") if path.is_dir() else [path])
            }
            script = "train" if name in TRAINING.values() else name
            yield f"stages/{script}.py", model, declared


@pytest.mark.parametrize(("script", "model", "declared"), list(stage_code()))
def test_a_stage_declares_exactly_the_code_it_imports(
    script: str, model: str, declared: set[str]
) -> None:
    closure = {str(path.relative_to(ROOT)) for path in imported(ROOT / script, model, set())}
    if script in {"stages/check_shapes.py", "stages/explore.py"}:
        # They take seconds and no training follows from their code, so they list whole folders.
        assert declared >= closure
        assert {Path(path).parent for path in declared} == {Path(path).parent for path in closure}
    else:
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


def test_the_gate_takes_the_same_run_and_refuses_one_of_a_single_epoch(
    unchanged: Path, shell: Shell, tmp_path: Path
) -> None:
    # gate.yaml's limits are those of the cpu preset: what counts here is the fall.
    rules = YAML(typ="safe").load(unchanged / "config/gate.yaml")
    rules["classes"] = {}
    for keys in rules["metrics"].values():
        for limits in keys.values():
            limits.pop("min", None)
            limits.pop("max", None)
    YAML().dump(rules, tmp_path / "gate.yaml")
    command = ("python", "-m", "fashion_cnn", "gate", "--rules", str(tmp_path / "gate.yaml"))
    open_gate = shell(*command, cwd=unchanged, PYTHONPATH="src")
    assert open_gate.returncode == 0, open_gate.stdout

    path = unchanged / "params.yaml"
    path.write_text(path.read_text().replace("epochs: 2 ", "epochs: 1 ", 1))
    assert "train_lenet" in ran(shell("dvc", "repro", cwd=unchanged))
    closed_gate = shell(*command, cwd=unchanged, PYTHONPATH="src")
    assert closed_gate.returncode == 1
    assert re.search(r"\| lenet\.accuracy +\| fall .* \| fell by [\d.]+, p = ", closed_gate.stdout)
    assert not re.search(r"\| vgg.*\| fell by [\d.]+, p = ", closed_gate.stdout)
