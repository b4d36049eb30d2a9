"""A network of one's own, added to a clone as docs/own-network.md shows it, reaches every tool."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Shell, put_preset
from tests.test_pipeline import STAGES, ran

PAGE = ROOT / "docs" / "own-network.md"


def add_network(clone: Path) -> None:
    """Do what the page says, with its own blocks."""
    page = PAGE.read_text()
    code, section, line, stage = re.findall(r"(?ms)^```(?:python|yaml)\n(.*?)^```", page)
    (name,) = re.findall(r"(?m)^## 1\. `(.+)`$", page)
    (clone / name).write_text(code)
    with (clone / "params.yaml").open("a") as params:
        params.write("\n" + section)
    path = clone / "dvc.yaml"
    text = path.read_text()
    for place, added in (("\n\nstages:\n", line), ("\n  export_images:\n", f"{stage}\n")):
        assert text.count(place) == 1
        text = text.replace(place, f"\n{added}{place[1:]}")
    path.write_text(text)


def test_the_page_s_network_is_found_and_its_keys_are_checked(clone: Path, shell: Shell) -> None:
    add_network(clone)
    done = shell("python", "-m", "fashion_cnn", "shapes", "resnet", cwd=clone, PYTHONPATH="src")
    assert re.search(r"block1\.conv1 +Conv2d +16 x 28 x 28 ", done.stdout), done.stderr
    assert re.search(r"fc +Linear +10 ", done.stdout)
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("  width: 16", "  widht: 16"))
    done = shell("python", "-m", "fashion_cnn", "shapes", "resnet", cwd=clone, PYTHONPATH="src")
    assert done.returncode == 1
    assert done.stderr == (
        "error: resnet.widht: unknown key: build of src/fashion_cnn/models/resnet.py takes "
        "image_size, in_channels, num_classes, width\n"
    )


@pytest.mark.images
def test_the_page_s_network_goes_through_every_stage_and_tool(clone: Path, shell: Shell) -> None:
    add_network(clone)
    put_preset(clone, shell, "smoke")
    assert "\nresnet:\n  image_size: 28\n" in (clone / "params.yaml").read_text()
    done = shell("dvc", "repro", cwd=clone, timeout=1800)
    own = [f"{stage}@resnet" for stage in ("evaluate", "export_images", "withdraw")]
    assert ran(done) == sorted([*STAGES, *own, "train_resnet"])
    assert shell("dvc", "status", cwd=clone).stdout.startswith("Data and pipelines are up to date")
    measured = json.loads((clone / "metrics/evaluate/resnet.json").read_text())["resnet"]
    assert measured["accuracy"] > 0.4
    pairs = json.loads((clone / "metrics/compare_models.json").read_text())["pairs"]
    assert len(pairs) == 6
    assert sum("resnet" in pair.values() for pair in pairs) == 3
    maps = {path.stem for path in (clone / "plots/feature_maps/resnet/0").iterdir()}
    blocks = {f"block{block}.conv{conv}" for block in (1, 2) for conv in (1, 2)}
    assert maps == blocks | {"conv", "down"}
    assert "resnet" in pd.read_csv(clone / "plots/costs.csv")["model"].tolist()
    assert "resnet" in (clone / "data/explore/explore.html").read_text()

    def tool(*arguments: str) -> str:
        done = shell("python", "-m", "fashion_cnn", *arguments, cwd=clone, PYTHONPATH="src")
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    shell("git", "add", "-A", cwd=clone)
    shell("git", "commit", "-qm", "resnet", cwd=clone)
    tool("report")
    report = (clone / "report.html").read_text()
    assert len(re.findall(r"resnet: (?:loss|accuracy)", report)) > 2
    assert ".resnet { --series: var(--resnet); }" in report
    assert re.search(r"\| rules for resnet .*\| there are none", tool("gate"))
    picture = clone / "plots/grad_cam/resnet.png"
    answer = json.loads(tool("predict", "resnet", str(picture), "--json"))
    assert len(answer["probabilities"]) == 10
    assert "resnet.onnx" in tool("export", "resnet")
    assert "resnet" in tool("seeds", "resnet", "2")
    assert "training.seed=1" in tool("compare", "resnet") or "resnet.seed=1" in tool("compare")
    tool("reference")
    assert "## resnet" in (clone / "docs/parameters-reference.md").read_text()
