"""VS Code's DVC extension shows the project without set-up: the calls that it makes, and the JSON.

Source: the extension's extension/src/cli/dvc/reader.ts and contract.ts.
"""

import json
from pathlib import Path
from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.settings import flatten
from tests.conftest import ROOT, Shell
from tests.test_pipeline import STAGES


def answer(smoke: Path, shell: Shell, *command: str) -> Any:
    done = shell("dvc", *command, "--json", cwd=smoke)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_experiments_table_has_a_number_in_every_metrics_column(
    smoke: Path, shell: Shell
) -> None:
    rows = answer(smoke, shell, "exp", "show", "--num", "3")
    for row in (rows[0], rows[1]):
        assert not row.get("error")
        metrics = {path: file["data"] for path, file in row["data"]["metrics"].items()}
        columns = [name for values in metrics.values() for name in flatten(values)]
        for model in MODELS:
            assert {f"{model}.accuracy", f"{model}.validation_accuracy"} <= set(columns)
        numbers = [each for values in metrics.values() for each in flatten(values).values()]
        assert all(isinstance(each, int | float) for each in numbers)
        (params,) = row["data"]["params"].values()
        assert {"training.seed", "lenet.learning_rate"} <= flatten(params["data"]).keys()
        assert all(file["hash"] for file in row["data"]["deps"].values())
        assert all(file["hash"] for file in row["data"]["outs"].values())


def test_the_plots_dashboard_has_a_chart_or_an_image_for_every_plot(
    smoke: Path, shell: Shell
) -> None:
    folder = smoke / ".dvc" / "tmp" / "plots"
    found = answer(smoke, shell, "plots", "diff", "HEAD", "--out", str(folder), "--split")
    assert not found.get("errors")
    plots = found["data"]
    # Charts that lay the networks over each other come first.
    assert list(plots)[:4] == [
        "Training loss",
        "Validation loss",
        "Validation accuracy",
        "F1 by class",
    ]
    kinds = {each["type"] for versions in plots.values() for each in versions}
    assert kinds == {"vega", "image"}
    for name, versions in plots.items():
        for each in versions:
            if each["type"] == "image":
                assert Path(each["url"]).is_file(), name
            else:
                anchors = each["anchor_definitions"]
                assert "HEAD" in each["revisions"]
                assert anchors["<DVC_METRIC_DATA>"], name
                assert anchors["<DVC_METRIC_TITLE>"], name
                assert "<DVC_METRIC_DATA>" in json.dumps(each["content"]), name
    for model in MODELS:
        assert {f"plots/confusion/{model}.csv", f"plots/grad_cam/{model}.png"} <= plots.keys()


def test_the_explorer_knows_what_dvc_tracks_and_that_nothing_is_open(
    smoke: Path, shell: Shell
) -> None:
    status = answer(smoke, shell, "data", "status", "--granular", "--unchanged")
    assert status.keys() == {"unchanged"}
    for model in MODELS:
        assert f"data/models/{model}.safetensors" in status["unchanged"]
        assert f"plots/grad_cam/{model}.png" in status["unchanged"]


def test_every_stage_that_can_be_run_says_what_it_does(smoke: Path, shell: Shell) -> None:
    lines = shell("dvc", "stage", "list", cwd=smoke).stdout.splitlines()
    described = [line.split(maxsplit=1) for line in lines]
    assert sorted(name for name, _ in described) == sorted(STAGES)
    # What DVC says of a stage without a description.
    assert not [name for name, text in described if text.startswith(("Outputs ", "Reports "))]


def test_a_container_and_the_editor_use_the_locked_environment() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    assert container["remoteUser"] != "root"
    code = container["customizations"]["vscode"]
    assert "iterative.dvc" in code["extensions"]
    assert code["settings"]["dvc.pythonPath"].endswith("/.venv/bin/python")
    assert container["postCreateCommand"] == "make test-environment"
