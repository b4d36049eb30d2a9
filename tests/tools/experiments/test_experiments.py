"""DVC experiments as a user runs them, on a LeNet of a few steps: queued, compared, applied."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from fashion_cnn.tools.experiments.collecting import Experiment
from fashion_cnn.tools.experiments.comparing import table
from tests.conftest import Shell, put_preset
from tests.processes import running, wait_until

GRID = [(rate, seed) for rate in (0.002, 0.004, 0.006, 0.008) for seed in (0, 1)]
SWEEP = "trials: 2\nlenet:\n  learning_rate: {low: 0.002, high: 0.008, log: true}\n"
RESULTS = ("metrics/train/lenet.json", "plots/training/lenet.csv")


@pytest.fixture(scope="module")
def small(
    make_clone: Callable[[Path], Path], shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A fresh clone in which a LeNet on 400 images has been trained, evaluated and committed."""
    folder = make_clone(tmp_path_factory.mktemp("experiments") / "clone")
    put_preset(folder, shell, "smoke", ("train_images: 4000", "train_images: 400"))
    (folder / "config/sweep.yaml").write_text(SWEEP)
    # LeNet's stages alone: DVC applies only experiments whose every output was made once.
    pipeline = YAML(typ="safe").load(folder / "dvc.yaml")
    del pipeline["plots"]
    for name in ("train_vgg", "finetune_vgg11", "compare_models", "explore"):
        del pipeline["stages"][name]
    for model in ("vgg", "vgg11"):
        del pipeline["vars"][0]["models"][model]
    YAML().dump(pipeline, folder / "dvc.yaml")
    (folder / "dvc.lock").unlink()
    done = shell("dvc", "repro", cwd=folder)
    assert done.returncode == 0, done.stderr
    shell("git", "add", "-A", cwd=folder)
    assert shell("git", "commit", "-qm", "small", cwd=folder).returncode == 0
    return folder


def test_queued_experiments_give_what_each_gives_alone(small: Path, shell: Shell) -> None:
    grid = ("-S", "lenet.learning_rate=0.002,0.004,0.006,0.008", "-S", "training.seed=0,1")
    done = shell("dvc", "exp", "run", "--queue", *grid, "train_lenet", cwd=small)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"Queued experiment '(.+?)'", done.stdout)
    assert len(names) == len(GRID)
    assert shell("dvc", "queue", "start", "-j", "2", cwd=small).returncode == 0
    deadline = time.monotonic() + 300
    while re.search("Queued|Running", shell("dvc", "queue", "status", cwd=small).stdout):
        assert time.monotonic() < deadline
        time.sleep(2)
    status = shell("dvc", "queue", "status", cwd=small).stdout
    assert status.count("Success") == len(GRID), status

    # The same in the working tree, one after another, without DVC's memory of runs.
    text = (small / "params.yaml").read_text()
    for name, (rate, seed) in zip(names, GRID, strict=True):
        changed = re.sub(r"learning_rate: \S+", f"learning_rate: {rate}", text, count=1)
        changed = re.sub(r"  seed: \S+", f"  seed: {seed}", changed)
        (small / "params.yaml").write_text(changed)
        done = shell(
            "python", "stages/train.py", "lenet", "--keep-epochs", cwd=small, PYTHONPATH="src"
        )
        assert done.returncode == 0, done.stderr
        (reference,) = shell(
            "git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}", cwd=small
        ).stdout.split()
        for file in RESULTS:
            queued = shell("git", "show", f"{reference}:{file}", cwd=small).stdout
            assert queued == (small / file).read_text()
    shell("git", "checkout", "-q", ".", cwd=small)
    assert shell("dvc", "checkout", "-q", "--force", cwd=small).returncode == 0

    shown = shell("python", "-m", "fashion_cnn", "compare", "lenet", cwd=small, PYTHONPATH="src")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("on ")
    rows = [line for line in lines[5:] if line and not line.startswith(" ")]
    accuracies = [float(row.split()[1]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    # These were trained alone: their weights have not been evaluated.
    changed = next(line for line in lines if line.startswith(names[0]))
    assert changed.split()[2:] == ["-", "-", "lenet.learning_rate=0.002"]


def test_no_test_metric_stands_beside_weights_that_it_was_not_measured_on(
    small: Path, shell: Shell
) -> None:
    def measured(name: str) -> set[str]:
        shown = json.loads(shell("dvc", "exp", "show", "--json", cwd=small).stdout)
        tips = [each["revs"][0] for each in shown[1]["experiments"] or []]
        (row,) = [row for row in (shown[0], *tips) if name in (row["rev"], row["name"])]
        metrics = row["data"]["metrics"].items()
        return {file for file, read in metrics if "data" in read and file.endswith("/lenet.json")}

    trained = {"metrics/train/lenet.json"}
    complete = measured("workspace")
    assert complete == trained | {
        f"{folder}/lenet.json"
        for folder in ("metrics/evaluate", "metrics/export_images", "plots/reliability")
    }
    command = ("dvc", "exp", "run", "-S", "lenet.learning_rate=0.003", "--name")
    done = shell(*command, "new", "--temp", "train_lenet", cwd=small)
    assert "Running stage 'train_lenet'" in done.stdout, done.stderr
    done = shell(*command, "again", "train_lenet", cwd=small)
    assert "Stage 'train_lenet' is cached" in done.stdout, done.stderr
    for name in ("new", "again", "workspace"):
        assert measured(name) == trained
    # The next run measures what is missing; the way back takes it from DVC's cache of runs.
    assert shell("dvc", "repro", cwd=small).returncode == 0
    assert measured("workspace") == complete
    assert shell("dvc", "status", "--json", cwd=small).stdout.strip() == "{}"
    shell("git", "checkout", "-q", "params.yaml", cwd=small)
    done = shell("dvc", "repro", cwd=small)
    assert re.findall("Running stage '(.+?)'", done.stdout) == ["withdraw@lenet"], done.stderr
    assert shell("git", "status", "--porcelain", cwd=small).stdout == ""


def test_an_experiment_is_shown_compared_applied_branched_and_removed(
    small: Path, shell: Shell
) -> None:
    def dvc(*arguments: str) -> str:
        done = shell("dvc", "exp", *arguments, cwd=small)
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = (small / "params.yaml").read_text()
    dvc("run", "--temp", "--name", "faster", "-S", "lenet.learning_rate=0.006", "evaluate@lenet")
    assert (small / "params.yaml").read_text() == before
    assert "[faster]" in dvc("list")
    header = dvc("show", "--csv", "--only-changed").splitlines()[0].split(",")
    assert "lenet.learning_rate" in header
    assert len(header) < 25
    assert re.search(r"lenet\.learning_rate +0\.004 +0\.006", dvc("diff", "HEAD", "faster"))
    dvc("branch", "faster", "faster-branch")
    assert "faster-branch" in shell("git", "branch", "--list", cwd=small).stdout
    dvc("apply", "faster")
    assert "learning_rate: 0.006" in (small / "params.yaml").read_text()
    shown = shell("python", "-m", "fashion_cnn", "compare", cwd=small, PYTHONPATH="src").stdout
    assert re.search(r"^workspace, faster .* lenet.learning_rate=0.006$", shown, re.M), shown
    assert shell("dvc", "status", "evaluate@lenet", "--json", cwd=small).stdout.strip() == "{}"
    edited = (small / "params.yaml").read_text().replace("learning_rate: 0.006", "learning_rate: 1")
    (small / "params.yaml").write_text(edited)
    shown = shell("python", "-m", "fashion_cnn", "compare", cwd=small, PYTHONPATH="src").stdout
    (row,) = re.findall(r"^workspace \(.*lenet.learning_rate=1$", shown, re.M)
    assert not re.search(r"0\.\d{4}", row), shown
    shell("git", "checkout", "-q", ".", cwd=small)
    shell("dvc", "checkout", "-q", "--force", cwd=small)
    dvc("remove", "faster")
    assert "[faster]" not in dvc("list")


def test_experiments_of_earlier_commits_and_of_other_branches_are_not_lost(
    small: Path, shell: Shell
) -> None:
    def compare(*arguments: str) -> str:
        command = ("python", "-m", "fashion_cnn", "compare", "lenet", *arguments)
        done = shell(*command, cwd=small, PYTHONPATH="src")
        assert done.returncode == 0, done.stderr
        return done.stdout

    named = ("--name", "before", "-S", "++lenet.seed=9")
    assert shell("dvc", "exp", "run", "--temp", *named, "train_lenet", cwd=small).returncode == 0
    assert re.search(r"^before .* lenet.seed=9$", compare(), re.M)
    for command in ("commit -q --allow-empty -m later", "switch -q --create side HEAD~1"):
        assert shell("git", *command.split(), cwd=small).returncode == 0
    assert re.search(r"^before .* lenet.seed=9$", compare(), re.M)
    shell("git", "switch", "-q", "--orphan", "elsewhere", cwd=small)
    shell("git", "commit", "-q", "--allow-empty", "-m", "empty", cwd=small)
    shell("git", "checkout", "-q", "side", "--", ".", cwd=small)
    shown = compare()
    assert "before" not in shown
    assert "more on commits of other branches: `make compare ALL=1` shows them" in shown
    assert re.search(r"^on \w+ small\n\n(.*\n)+before .* lenet.seed=9$", compare("--all"), re.M)
    for command in ("commit -qam all", "switch -q -", "switch -q side"):
        shell("git", *command.split(), cwd=small)


def interrupt(
    folder: Path, environment: dict[str, str], number: signal.Signals, *command: str
) -> str:
    """Stop a command of the package in its first training; return what it had printed."""
    logs = folder / "runs/experiments"
    before = set(logs.glob("*"))
    with running(
        *(sys.executable, "-m", "fashion_cnn", *command),
        cwd=folder,
        environment=environment | {"PYTHONPATH": "src"},
        errors=None,
    ) as process:
        while not any(
            "Running stage 'train_lenet'" in log.read_text() for log in {*logs.glob("*")} - before
        ):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        # Nothing goes on alone.
        copies = str(folder / ".dvc/tmp/exps/")
        processes = psutil.process_iter(["cmdline", "cwd"])
        assert not [each.info for each in processes if (each.info["cwd"] or "").startswith(copies)]
    return printed


@contextmanager
def two_workers(
    folder: Path, environment: dict[str, str], *arguments: str
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Run a command of the package twice at the same time."""
    command = (sys.executable, "-m", "fashion_cnn", *arguments)
    variables = environment | {"PYTHONPATH": "src"}
    with ExitStack() as stack:
        yield [
            stack.enter_context(running(*command, cwd=folder, environment=variables, errors=None))
            for _ in range(2)
        ]


def started(folder: Path, prefix: str) -> set[str]:
    """Return the names, with a prefix, of the experiments whose training has begun."""
    logs = (folder / "runs/experiments").glob(f"{prefix}*.log")
    return {log.stem for log in logs if "Running stage 'train_lenet'" in log.read_text()}


def test_seeds_are_experiments_of_their_own_that_workers_share(
    small: Path, shell: Shell, environment: dict[str, str]
) -> None:
    # A recipe of its own: what DVC has trained for another test, it does not train again.
    params = small / "params.yaml"
    params.write_text(
        re.sub(r"weight_decay: \S+", "weight_decay: 0.0007", params.read_text(), count=1)
    )
    interrupt(small, environment, signal.SIGTERM, "seeds", "lenet", "3")
    with two_workers(small, environment, "seeds", "lenet", "2") as workers:
        printed = [worker.communicate(timeout=600)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], printed
    lines = printed[0].splitlines()
    assert [line.split()[0] for line in lines[-5:]] == ["0", "1", "mean", "standard", "95%"]
    assert lines[-5] != lines[-4]
    assert printed[1].splitlines()[-5:] == lines[-5:]
    listed = shell("dvc", "exp", "list", "--name-only", cwd=small).stdout.split()
    assert {"lenet-seed-0", "lenet-seed-1"} <= set(listed)
    assert shell("git", "status", "--porcelain", cwd=small).stdout == " M params.yaml\n"
    # Each was trained once: a second time would be from DVC's memory of runs.
    logs = [small / f"runs/experiments/lenet-seed-{seed}.log" for seed in (0, 1)]
    texts = [log.read_text() for log in logs]
    assert all("Running stage 'train_lenet'" in text for text in texts)
    again = shell("python", "-m", "fashion_cnn", "seeds", "lenet", "2", cwd=small, PYTHONPATH="src")
    assert again.stdout.splitlines()[-5:] == lines[-5:]
    assert [log.read_text() for log in logs] == texts
    # Those of another recipe are measured anew.
    params.write_text(
        re.sub(r"learning_rate: \S+", "learning_rate: 0.005", params.read_text(), count=1)
    )
    command = (sys.executable, "-m", "fashion_cnn", "seeds", "lenet", "2")
    with running(*command, cwd=small, environment=environment | {"PYTHONPATH": "src"}) as worker:
        wait_until(lambda: logs[0].read_text() != texts[0] and started(small, "lenet-seed-0"))
        worker.terminate()
        worker.wait(60)
    shell("git", "checkout", "-q", ".", cwd=small)


def test_an_interrupted_sweep_goes_on_and_its_best_is_applied(
    small: Path, shell: Shell, environment: dict[str, str]
) -> None:
    begun = interrupt(small, environment, signal.SIGINT, "sweep", "lenet")
    assert shell("git", "status", "--porcelain", cwd=small).stdout == ""

    done = shell("python", "-m", "fashion_cnn", "sweep", "lenet", cwd=small, PYTHONPATH="src")
    assert done.returncode == 0, done.stderr
    # The trial that was interrupted is made again before any other.
    assert done.stdout.splitlines()[0].split(": ")[1] == begun.strip().split(": ")[1]
    assert "of the best of 2 trials" in done.stdout
    again = shell("python", "-m", "fashion_cnn", "sweep", "lenet", cwd=small, PYTHONPATH="src")
    assert again.stdout == done.stdout[done.stdout.index("validation accuracy of the best") :]
    best = re.findall(r"`dvc exp apply (.+?)`", done.stdout)[0]
    assert shell("dvc", "exp", "apply", best, cwd=small).returncode == 0
    rate = re.search(rf"{best}: lenet.learning_rate=(\S+)", done.stdout)
    assert rate
    assert f"learning_rate: {rate[1]}" in (small / "params.yaml").read_text()
    metrics = json.loads((small / "metrics/train/lenet.json").read_text())
    highest = re.search(rf"([\d.]+)  {best}", done.stdout)
    assert highest
    assert metrics["lenet"]["validation_accuracy"] == pytest.approx(float(highest[1]), abs=1e-4)
    shell("git", "checkout", "-q", ".", cwd=small)
    shell("dvc", "checkout", "-q", "--force", cwd=small)


def test_workers_share_a_sweep_and_lose_no_trial_of_one_that_is_killed(
    small: Path, shell: Shell, environment: dict[str, str]
) -> None:
    (small / "config/sweep.yaml").write_text(SWEEP.replace("2\n", "3\n").replace("0.008", "0.007"))
    before = started(small, "lenet-sweep-")
    with two_workers(small, environment, "sweep", "lenet") as (one, other):
        wait_until(lambda: len(started(small, "lenet-sweep-") - before) == 2)
        # Its training goes on, and another worker records what comes of it.
        one.kill()
        begun, _ = one.communicate()
        out, _ = other.communicate(timeout=300)
        assert other.returncode == 0, out
    names = re.findall(r"(?m)^(\S+): lenet.learning_rate=", begun + out)
    assert len(names) == 3
    assert started(small, "lenet-sweep-") - before == {*names}
    assert "of the best of 3 trials; 0 ended early" in out
    assert {*re.findall(r"(?m)^[\d.]+  (\S+): lenet", out)} == {*names}
    assert {*names} <= {*shell("dvc", "exp", "list", "--name-only", cwd=small).stdout.split()}
    shell("git", "checkout", "-q", ".", cwd=small)


def experiment(name: str, accuracy: float | None, **params: object) -> Experiment:
    measured = {} if accuracy is None else {"lenet": {"validation_accuracy": accuracy}}
    files = {"metrics/train/lenet.json": measured}
    defaults = {"lenet.epochs": 2, "lenet.seed": 0, "vgg.epochs": 1}
    return Experiment(name, "done", defaults | params, files)


def test_a_table_holds_only_what_differs_best_first() -> None:
    same = experiment("workspace", 0.8)
    commit = experiment("main", 0.8)
    better = experiment("better", 0.9, **{"lenet.epochs": 3})
    queued = Experiment("later", "queued", better.params | {"lenet.epochs": 4, "lenet.seed": 7}, {})
    other = experiment("other", 0.8, **{"vgg.epochs": 2})
    found = table("lenet", [same, commit, better, queued, other])
    assert found
    assert [line.split()[0] for line in found.splitlines()[3:]] == ["better", "main", "later"]
    assert "lenet.epochs=2, lenet.seed=0" in found
    assert "later (queued)" in found
    assert table("lenet", [same, commit, other]) is None
    assert "vgg.epochs=2" in (table("vgg", [same, commit, other]) or "")


def test_what_was_measured_before_a_change_is_not_shown_as_of_now() -> None:
    commit, edited = experiment("main", 0.8), experiment("workspace", 0.8, **{"lenet.epochs": 9})
    outdated = replace(edited, stale=frozenset({"metrics/train/lenet.json"}))
    found = table("lenet", [outdated, commit])
    assert found
    assert "workspace (not run yet)" in re.sub(r"\s+", " ", found)
    assert found.count("0.8000") == 1
    assert table("vgg", [outdated, commit]) is None


def test_a_table_tells_what_all_share_and_what_is_alike_once() -> None:
    commit = experiment("main", 0.9)
    smoke = {"lenet.epochs": 1, "evaluate.test_images": 500}
    commit.params["evaluate.test_images"] = None
    alike = [experiment(name, 0.7, **smoke) for name in ("workspace", "one", "two", "three")]
    other = experiment("other", 0.8, **smoke, **{"lenet.seed": 3})
    found = table("lenet", [alike[0], commit, *alike[1:], other])
    assert found
    assert [line.split("  ")[0] for line in found.splitlines()[3:]] == [
        "main",
        "other",
        "workspace, one and 2 others",
        "all but main: lenet.epochs=1, evaluate.test_images=500",
    ]
    rows = [re.split(r" {2,}", line)[-1] for line in found.splitlines()[3:-1]]
    assert rows == ["lenet.seed=0", "lenet.seed=3", "no other parameter"]
    # One alone shares with none.
    found = table("lenet", [alike[0], commit])
    assert found
    assert found.splitlines()[-1].endswith("lenet.epochs=1, evaluate.test_images=500")
    assert found.splitlines()[-1].startswith("workspace")


def test_a_table_of_many_differences_keeps_to_its_width() -> None:
    many = {f"lenet.parameter_{number}": number for number in range(30)}
    commit = experiment("main", 0.8, **dict.fromkeys(many, -1))
    found = table("lenet", [commit, commit, experiment("x" * 60, 0.9, **many)])
    assert found
    assert max(map(len, found.splitlines())) <= 100
    assert "parameter_29=29" in found
