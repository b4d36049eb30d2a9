"""The benchmarks run, at tiny sizes, and report what they measured; no speed is asserted."""

import json
import multiprocessing
import re
from pathlib import Path

import pytest
import torch

import benchmarks.peers.__main__ as peers
from benchmarks import cpu, golden, gpu, measure, ours
from benchmarks.measure import Result
from benchmarks.peers.watch import Task
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset.images import read_split
from fashion_cnn.tools import presets
from tests import recipes
from tests.conftest import ROOT, Shell

TINY = cpu.Sizes(
    rounds=1,
    steps=2,
    vgg_image_size=32,
    vgg_batch_size=8,
    lenet_images=128,
    lenet_seeds=2,
    tutorial_lenet_images=16,
)


def test_a_result_is_summed_up_and_written(tmp_path: Path) -> None:
    results = [
        Result("LeNet", "s", [3.0, 1.0, 2.00004]),
        Result("VGG", "ratio", [5.5], "at least 4"),
    ]
    measure.write(results, prepare("cpu", "float32"), tmp_path / "cpu")
    written = json.loads((tmp_path / "cpu.json").read_text())
    assert written["results"] == [
        {"network": "LeNet", "quantity": "s", "n": 3, "median": 2.0, "low": 1.0, "high": 3.0}
        | {"goal": ""},
        {"network": "VGG", "quantity": "ratio", "n": 1, "median": 5.5, "low": 5.5, "high": 5.5}
        | {"goal": "at least 4"},
    ]
    assert {"device", "processor", "cores", "threads", "torch"} <= set(written["made_with"])
    assert (tmp_path / "cpu.md").read_text().splitlines()[2:] == [
        "| LeNet | s | 3 | 2 | 1 | 3 |  |",
        "| VGG | ratio | 1 | 5.5 | 5.5 | 5.5 | at least 4 |",
    ]


def test_ours_trains_what_the_recipe_says_and_times_every_epoch(fashion_mnist: Path) -> None:
    dataset, compute = recipes.dataset(), prepare("cpu", "float32")
    training = read_split(fashion_mnist, dataset)[0][:100]
    kernels = []
    for changes in ({}, {}, {"seed": 1}):
        recipe = recipes.lenet(epochs=3, **changes)
        network, seconds = ours.train("lenet", recipe, dataset, training, compute)
        assert len(seconds) == 3
        assert min(seconds) > 0
        kernels.append(network.get_parameter("conv1.weight"))
    assert torch.equal(kernels[0], kernels[1])
    assert not torch.equal(kernels[0], kernels[2])


def test_flops_are_six_a_multiply_accumulate() -> None:
    convolutions = 24 * 24 * 6 * 25 + 8 * 8 * 16 * 6 * 25
    assert ours.flops("lenet", recipes.lenet()) == 6 * (
        convolutions + 256 * 120 + 120 * 84 + 84 * 10
    )


def test_the_cpu_benchmark_measures_both_ways_of_the_reduced_vgg(
    fashion_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[int] = []
    train = ours.train

    def watched(*arguments: object) -> object:
        children.append(len(multiprocessing.active_children()))
        return train(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ours, "train", watched)
    values = presets.load("smoke")
    theirs, kept, mine, ratio, kept_ratio, peak, share = cpu.reduced_vgg(
        values, fashion_mnist, TINY
    )
    # The tutorial's workers are gone when ours is measured.
    assert children == [0]
    for other, our, quotient in zip(theirs.values, mine.values, ratio.values, strict=True):
        assert quotient == pytest.approx(our / other)
    for other, our, quotient in zip(kept.values, mine.values, kept_ratio.values, strict=True):
        assert quotient == pytest.approx(our / other)
    for our, fastest, part in zip(mine.values, peak.values, share.values, strict=True):
        assert part == pytest.approx(our * ours.flops("vgg", values.vgg) / fastest / 1e9)


def test_the_cpu_benchmark_measures_both_ways_of_lenet(fashion_mnist: Path) -> None:
    values = presets.load("smoke")
    their_s, theirs, our_s, mine, ratio = cpu.lenet(values, fashion_mnist, TINY)
    assert [len(result.values) for result in (their_s, theirs, our_s, mine, ratio)] == [
        1,
        1,
        2,
        2,
        2,
    ]
    assert all(0 < accuracy < 1 for accuracy in (*theirs.values, *mine.values))
    assert ratio.values == [their_s.values[0] / each for each in our_s.values]


@pytest.mark.parametrize(("model", "steps"), [("lenet", 2), ("vgg", 0)])
def test_the_gpu_benchmark_runs_on_the_cpu(
    model: str, steps: int, fashion_mnist: Path, tmp_path: Path
) -> None:
    gpu.main(
        [
            *("--models", model, "--preset", "smoke", "--step", "plain"),
            *("--lenet-batch-size", "32", "--vgg-batch-size", "8", "--epochs", "2"),
            *("--images", "64", "--device", "cpu", "--tutorial-steps", str(steps)),
            *("--data", str(fashion_mnist), "--output", str(tmp_path)),
        ]
    )
    (path,) = tmp_path.glob("cpu-with-*.json")
    results = json.loads(path.read_text())["results"]
    assert [result["n"] for result in results] == ([1, 2, 2, 2, 1, 2] if steps else [2, 2, 1, 2])
    assert all(result["low"] > 0 for result in results)
    assert {result["goal"] for result in results} == {""}
    if steps:
        theirs, ours_, ratio = (result["median"] for result in results[:3])
        assert ratio == pytest.approx(ours_ / theirs, rel=1e-2)


def test_the_gpu_benchmark_runs_without_torchvision(
    fashion_mnist: Path, shell: Shell, tmp_path: Path
) -> None:
    options = [
        *("--models", "lenet", "vgg", "--preset", "smoke", "--step", "plain", "--epochs", "1"),
        *("--vgg-batch-size", "8", "--images", "16", "--device", "cpu", "--tutorial-steps", "0"),
        *("--data", str(fashion_mnist), "--output", str(tmp_path)),
    ]
    code = (
        "import sys; sys.modules['torchvision'] = None; from benchmarks import gpu; "
        f"gpu.main({options})"
    )
    done = shell("python", "-c", code, cwd=ROOT, PYTHONPATH="src:.")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("cpu-with-*.json")
    networks = [result["network"] for result in json.loads(path.read_text())["results"]]
    assert {name.partition(",")[0] for name in networks} == {"lenet", "vgg"}


@pytest.mark.images
def test_the_one_command_for_a_machine_with_a_gpu_goes_on_after_a_failed_step(
    clone: Path, fashion_mnist: Path, shell: Shell, tmp_path: Path
) -> None:
    (clone / "stages" / "export_images.py").write_text("raise SystemExit('error: no ink')\n")
    smoke = clone / "presets" / "smoke.yaml"
    # Long enough to be stopped after its first epoch.
    longer = ("train_images: 4000", "train_images: 20000")
    assert longer[0] in smoke.read_text()
    smoke.write_text(smoke.read_text().replace(*longer))
    variables = {
        "PRESET": "smoke",
        "DEVICE": "cpu",
        "MODELS": "lenet",
        "OMP_NUM_THREADS": "1",
        "BENCH_OPTIONS": "--step plain --images 640 --epochs 1 --tutorial-steps 0",
    }
    command = ("bash", "benchmarks/on_gpu.sh", str(fashion_mnist), str(tmp_path / "results"))
    done = shell(*command, cwd=clone, timeout=1800, **variables)
    steps = [
        *("packages", "download", "check_shapes", "train-lenet", "evaluate-lenet"),
        *("export_images-lenet", "the-same-bytes-lenet", "the-same-bytes-resumed-lenet"),
        *("golden-compare", "golden-write", "bench"),
    ]
    ends = dict.fromkeys(steps, "0") | {"export_images-lenet": "1: error: no ink"}
    summary = (tmp_path / "results" / "summary.txt").read_text()
    found = re.findall(r"(?m)^(\S+): status (\d+), \d+ s(.*)$", summary)
    assert {name: status + reason for name, status, reason in found} == ends, summary
    assert [name for name, *_ in found] == steps
    assert done.returncode == 1
    (losses,) = (tmp_path / "results" / "golden").glob("*.json")
    assert len(json.loads(losses.read_text())["losses"]["lenet"]) == golden.STEPS


NEEDS = {"with_lightning": "lightning", "with_keras": "keras", "with_fastai": "fastai"}


@pytest.mark.parametrize("peer", peers.PEERS)
@pytest.mark.parametrize(
    "task",
    [Task("lenet", 28, 64, 130, 2, False), Task("vgg", 32, 64, 130, 2, True)],
    ids=lambda task: task.model,
)
def test_a_peer_trains_and_is_watched(peer: str, task: Task, fashion_mnist: Path) -> None:
    if peer in NEEDS:
        pytest.importorskip(NEEDS[peer])
    measured = peers.in_own_process(peer, task, fashion_mnist)
    assert len(measured["epoch_seconds"]) == 2
    assert min(measured["epoch_seconds"]) > 0
    assert measured["first_step_seconds"] > 0
    assert measured["peak_gigabytes"] > 0.1
    accuracies = measured["accuracies"]
    assert len(accuracies) == (2 if task.model == "lenet" else 0)
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)


def test_the_first_accurate_epoch_ends_the_training_that_is_timed() -> None:
    measured = {"epoch_seconds": [2.0, 3.0, 4.0], "accuracies": [0.8, 0.85, 0.9]}
    assert peers.seconds_to_accuracy(measured) == 5.0
    assert peers.seconds_to_accuracy(measured | {"accuracies": [0.1, 0.2, 0.3]}) == float("inf")


def test_what_watches_a_peer_is_not_the_users_code() -> None:
    # The loop, the loader and the optimiser: no more, and no less, than a user writes.
    assert 20 <= peers.user_lines("plain") <= 35
    assert peers.user_lines("plain") < peers.user_lines("with_lightning")
    assert peers.user_lines("this_project") == len(
        ["optimizer", "schedule", "warmup", "rate", "decay", "epochs", "batch", "size"]
    )
