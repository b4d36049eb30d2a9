"""Every rule of the gate on made metrics: what meets it passes, what breaks it is named."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score

from fashion_cnn.base import settings
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_json, write_text
from fashion_cnn.base.models import MODELS
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.tools.trust import chance, gate
from fashion_cnn.tools.trust.judging import Verdict, judge
from fashion_cnn.tools.trust.measured import RULES as FILE
from fashion_cnn.tools.trust.measured import Measured, read
from fashion_cnn.tools.trust.rules import Rules
from tests.conftest import ROOT, Shell

IMAGES = 1000
STAGES = """\
stages:
  download:
    cmd: make it
    outs: [data/fashion_mnist]
  evaluate:
    matrix: {model: [lenet, vgg, vgg11]}
    cmd: make it
    deps: [data/fashion_mnist]
"""


def model_rules(model: str) -> dict[str, dict[str, dict[str, float]]]:
    return {
        f"metrics/evaluate/{model}.json": {
            f"{model}.accuracy": {"min": 0.85, "max_fall": 0.005},
            f"{model}.macro_f1": {"min": 0.85, "max_fall": 0.005},
            f"{model}.loss": {"max": 0.5},
            "details.0.parameters": {"max": 50_000},
            "details.0.weight_bytes": {"max": 200_000},
        },
        f"plots/reliability/{model}.json": {f"{model}.expected_calibration_error": {"max": 0.05}},
    }


FLOORS = {"recall": dict.fromkeys(FASHION_MNIST.classes, 0.7), "f1": {"Shirt": 0.6}}
RULES = {
    "significance": 0.05,
    "other_data": "refuse",
    "metrics": {path: keys for model in MODELS for path, keys in model_rules(model).items()},
    "classes": dict.fromkeys(MODELS, FLOORS),
}
CHECKED = Rules.model_validate(RULES)
MAIN = ("accuracy", "macro_f1", "loss")
DETAILS = ("parameters", "weight_bytes")


class Made(NamedTuple):
    """What is measured of one model."""

    numbers: dict[str, Any]
    classes: pd.DataFrame
    answers: pd.DataFrame
    data: str = "a" * 32
    downloaded: str = "a" * 32

    def files(self, model: str) -> dict[str, Any]:
        """The JSON files of the model, by path."""
        error = {"expected_calibration_error": self.numbers["expected_calibration_error"]}
        main, details = (
            {name: self.numbers[name] for name in names if name in self.numbers}
            for names in (MAIN, DETAILS)
        )
        return {
            f"metrics/evaluate/{model}.json": {model: main, "details": [details]},
            f"plots/reliability/{model}.json": {model: error, "bins": []},
        }


def made(right: int = 900, /, *, recall: dict[str, Any] | None = None, **numbers: Any) -> Made:
    """What is measured of a model that gets the first `right` of 1,000 images right."""
    actual = [FASHION_MNIST.classes[image % 10] for image in range(IMAGES)]
    wrong = [FASHION_MNIST.classes[(image + 1) % 10] for image in range(IMAGES)]
    recalls = dict.fromkeys(FASHION_MNIST.classes, 0.9) | (recall or {})
    return Made(
        numbers={
            "accuracy": right / IMAGES,
            "macro_f1": right / IMAGES,
            "loss": 0.3,
            "expected_calibration_error": 0.02,
            "parameters": 44_426,
            "weight_bytes": 180_000,
        }
        | numbers,
        classes=pd.DataFrame({"class": recalls.keys(), "recall": recalls.values(), "f1": 0.9}),
        answers=pd.DataFrame({"actual": actual, "predicted": actual[:right] + wrong[right:]}),
    )


def measured(rules: object = RULES, **models: Made) -> Measured:
    """What a run measured, each model as given, or as `made()`."""
    found = {model: models.get(model, made()) for model in MODELS}
    return Measured(
        title="made",
        values={path: text for model in MODELS for path, text in found[model].files(model).items()},
        classes={model: each.classes for model, each in found.items()},
        answers={model: each.answers for model, each in found.items()},
        data={model: each.data for model, each in found.items()},
        downloaded=found["lenet"].downloaded,
        rules=rules,
    )


def broken(lenet: Made, baseline: Made | None = None, rules: Rules = CHECKED) -> list[Verdict]:
    """The rules that LeNet breaks, beside two models that meet them all."""
    verdicts = judge(rules, measured(lenet=lenet), baseline and measured(lenet=baseline))
    return [verdict for verdict in verdicts if verdict.fault]


def test_a_run_that_meets_every_rule_passes() -> None:
    assert broken(made()) == []
    assert broken(made(), made()) == []


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({"accuracy": 0.84}, "too low"),
        ({"macro_f1": 0.84}, "too low"),
        ({"loss": 0.51}, "too high"),
        ({"expected_calibration_error": 0.06}, "too high"),
        ({"parameters": 50_001}, "too high"),
        ({"weight_bytes": 200_001}, "too high"),
        ({"accuracy": float("nan")}, "no number"),
        ({"loss": float("nan")}, "no number"),
        ({"loss": float("-inf")}, "no number"),
        ({"weight_bytes": "180000"}, "no number"),
        ({"parameters": True}, "no number"),
        ({"weight_bytes": 10**400}, "no number"),
        ({"macro_f1": None}, "missing"),
    ],
)
def test_a_metric_beyond_its_limit_missing_or_no_number_fails(
    metrics: dict[str, Any], fault: str
) -> None:
    (verdict,) = broken(made(**metrics))
    assert (verdict.rule.rpartition(".")[2], verdict.fault) == (next(iter(metrics)), fault)


def test_a_metric_at_its_limit_passes() -> None:
    assert broken(made(accuracy=0.85, macro_f1=0.85, loss=0.5, weight_bytes=200_000)) == []


def test_one_class_below_its_floor_fails() -> None:
    for recall, fault in ((0.69, "too low"), (float("nan"), "no number")):
        (verdict,) = broken(made(recall={"Shirt": recall}))
        assert (verdict.where, verdict.rule) == ("plots/classes/lenet.csv", "recall of Shirt")
        assert verdict.fault == fault
    low = made()
    low.classes.loc[low.classes["class"] == "Shirt", "f1"] = 0.59
    (verdict,) = broken(low)
    assert (verdict.rule, verdict.fault) == ("f1 of Shirt", "too low")


def test_classes_that_only_the_rules_or_only_the_data_have_are_named() -> None:
    own = made()._replace(
        classes=pd.DataFrame({"class": ["Shirt", "Hat", "7"], "recall": 0.9, "f1": 0.9})
    )
    (verdict,) = broken(own)
    missing = [name for name in FASHION_MNIST.classes if name != "Shirt"]
    assert verdict.rule == f"classes {', '.join(missing)}"
    assert verdict.fault == "the data has no such class: correct classes.lenet of gate.yaml"
    verdicts = judge(CHECKED, measured(lenet=own), None)
    (note,) = [each for each in verdicts if "no floor" in each.note]
    assert (note.rule, note.fault) == ("classes Hat, 7", "")
    # Floors are optional.
    assert broken(own, rules=CHECKED.model_copy(update={"classes": {}})) == []


def test_without_any_file_every_rule_fails() -> None:
    nothing = Measured("made", {}, {}, {}, dict.fromkeys(MODELS, ""), "")
    verdicts = judge(CHECKED, nothing, measured(), ["lenet"])
    assert [each.fault for each in verdicts] == [
        "dvc.lock does not say which data",
        *["missing"] * (6 + 10 + 1),
    ]


def test_a_file_and_key_of_ones_own_is_judged_like_any_other() -> None:
    limits = {"details.1.ms.p95": {"max": 20, "max_rise": 1}, "images": {"min": 5, "max_fall": 0}}
    rules = Rules.model_validate({**RULES, "metrics": {"metrics/latency.json": limits}})

    def faults(now: object, before: object, known: object = None) -> list[tuple[str, str]]:
        run, baseline = (
            replace(measured(rules=known), values={"metrics/latency.json": values})
            for values in (now, before)
        )
        return [(each.rule, each.fault) for each in judge(rules, run, baseline) if each.fault]

    values = {"images": 5, "details": [{}, {"ms": {"p95": 19.0}}]}
    worse = {"images": 4, "details": [{}, {"ms": {"p95": 21.0}}]}
    assert faults(values, values) == []
    assert faults(worse, values) == [
        ("details.1.ms.p95", "too high"),
        ("details.1.ms.p95", "rose by 2"),
        ("images", "too low"),
        ("images", "fell by 1"),
    ]
    odd: list[object] = [
        {"images": 5, "details": []},
        {"images": 5, "details": "text"},
        [],
        3,
        None,
    ]
    for values_without in odd:
        assert ("details.1.ms.p95", "missing") in faults(values_without, values)
    # A number that is new is no fall, unless the baseline had a rule for it.
    assert faults(values, {}) == []
    known: object = {"metrics": {"metrics/latency.json": {"images": {}, "details.1.ms.p95": {}}}}
    assert faults(values, {}, known) == [
        ("details.1.ms.p95", "missing in the baseline"),
        ("images", "missing in the baseline"),
    ]


def test_the_rules_of_other_models_can_be_left_out() -> None:
    verdicts = judge(CHECKED, measured(vgg=made(accuracy=0.1)), None, ["lenet"])
    assert not [each for each in verdicts if each.fault or "vgg" in each.where]


def test_a_fall_fails_only_where_it_is_large_and_no_chance() -> None:
    # 15 images lost, none gained: p = 2 / 2**15.
    verdicts = broken(made(885), made(900))
    assert [each.rule for each in verdicts] == ["lenet.accuracy", "lenet.macro_f1"]
    assert [each.fault for each in verdicts] == [
        "fell by 0.015, p = 6.1e-05",
        "fell by 0.015, p = 0.001",
    ]
    # As sure, but within what a metric may fall.
    assert broken(made(895), made(900)) == []
    # A rise.
    assert broken(made(950), made(900)) == []


def test_a_fall_that_may_be_chance_passes_with_a_note() -> None:
    before = made(900)
    # The new model gets 60 images right that the old one did not, and 70 the other way.
    right = [image < 830 or image >= IMAGES - 60 for image in range(IMAGES)]
    swapped = before.answers["actual"].where(pd.Series(right), "none of them")
    now = made(890, macro_f1=0.9)._replace(answers=before.answers.assign(predicted=swapped))
    assert broken(now, before) == []
    verdicts = judge(CHECKED, measured(lenet=now), measured(lenet=before))
    (fall,) = [each for each in verdicts if each.note]
    assert re.fullmatch(r"fell by 0\.01, but that may be chance: p = 0\.43", fall.note)


def test_macro_f1_is_tested_by_itself() -> None:
    """The new run loses a rare class for gains in a common one: as accurate, but of a worse F1."""
    actual = np.repeat(["common", "rare"], [980, 20])
    lost = np.arange(1000) >= 980
    before = np.where(np.arange(1000) < 20, "rare", actual)
    now = np.where(lost, "common", actual)
    tables = [pd.DataFrame({"actual": actual, "predicted": each}) for each in (now, before)]
    assert chance.p_value("accuracy", *tables) == 1
    found = chance.p_value("macro_f1", *tables)
    assert found is not None
    assert found < 0.001
    assert chance.p_value("macro_f1", tables[0], tables[0]) == 1


def test_the_bootstrap_is_torchmetrics_f1_on_resampled_images() -> None:
    random = np.random.default_rng(1)
    actual = random.integers(0, 4, 300)
    before, now = (
        np.where(random.random(300) < right, actual, random.integers(0, 4, 300))
        for right in (0.72, 0.75)
    )

    def f1(predicted: np.ndarray, drawn: np.ndarray) -> float:
        answers, labels = (torch.from_numpy(each[drawn]) for each in (predicted, actual))
        return float(multiclass_f1_score(answers, labels, num_classes=4, validate_args=False))

    draws = [random.integers(0, 300, 300) for _ in range(1000)]
    falls = np.array([f1(before, drawn) - f1(now, drawn) for drawn in draws])
    wanted = 2 * min((falls <= 0).mean(), (falls >= 0).mean())
    names = np.array(["a", "b", "c", "d"])
    tables = [
        pd.DataFrame({"actual": names[actual], "predicted": names[each]}) for each in (now, before)
    ]
    assert 0.02 < wanted < 0.6
    assert chance.p_value("macro_f1", *tables) == pytest.approx(wanted, abs=0.05)


def test_a_fall_on_other_images_is_not_excused() -> None:
    now = made(885)
    for answers in (now.answers[:-1], pd.DataFrame(columns=["actual", "predicted"])):
        verdicts = broken(now._replace(answers=answers), made(900))
        assert len(verdicts) == 2
        assert all("the images differ" in each.fault for each in verdicts)


def test_a_baseline_without_the_metric_fails() -> None:
    (verdict,) = broken(made(), made(accuracy=None))
    assert verdict.fault == "missing in the baseline"
    (verdict,) = broken(made(), made(accuracy=float("nan")))
    assert verdict.fault == "no number in the baseline"


def test_a_metric_of_other_data_fails_or_is_judged_by_the_limits_alone() -> None:
    now = made(885)._replace(data="b" * 32, downloaded="b" * 32)
    verdicts = judge(CHECKED, replace(measured(lenet=now), downloaded="b" * 32), measured())
    faults = {each.rule: each.fault for each in verdicts if each.fault}
    assert faults.pop("data of lenet") == "the baseline was evaluated on other data"
    assert set(faults.values()) == {"evaluated on other data than was downloaded"}
    (verdict,) = broken(made()._replace(data="b" * 32))
    assert verdict.fault == "evaluated on other data than was downloaded"
    (verdict,) = broken(made(), made()._replace(data=""))
    assert verdict.fault == "dvc.lock does not say which data"
    lenient = CHECKED.model_copy(update={"other_data": "limits"})
    run = dict.fromkeys(MODELS, now)
    verdicts = judge(lenient, measured(**run), measured())
    assert not [each for each in verdicts if each.fault or each.limit.startswith("fall")]
    assert (
        verdicts[0].note == "the baseline was evaluated on other data: the limits alone are judged"
    )


def test_a_network_that_is_new_or_has_no_rules_is_told() -> None:
    new = replace(measured(), answers={}, data=dict.fromkeys(MODELS, ""))
    verdicts = judge(Rules.model_validate(RULES | {"metrics": {}, "classes": {}}), measured(), new)
    assert [(v.rule, v.note) for v in verdicts] == [
        *((f"data of {model}", "the baseline has no such network") for model in MODELS),
        *((f"rules for {model}", "there are none") for model in MODELS),
    ]
    assert not any(verdict.fault for verdict in verdicts)


def test_the_repository_s_rules_name_every_class_and_measure_of_every_model() -> None:
    rules = settings.read(Rules, ROOT / FILE)
    for model in MODELS:
        assert list(rules.classes[model].recall) == list(FASHION_MNIST.classes)
        limited = {key for path in model_rules(model) for key in rules.metrics[path]}
        assert limited >= {key for keys in model_rules(model).values() for key in keys}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("{min: 0.9, max_fall", "{mn: 0.9, max_fall"), "accuracy.mn: unknown key, got 0.9; did"),
        (("max_fall: 0.005", "max_fall: -1"), "lenet.accuracy.max_fall: expected a number greater"),
        (("{max: 50000}", "{max: many}"), "lenet.json.details.0.parameters.max: expected"),
        (("{max: 50000}", "50000"), "details.0.parameters: expected a section of keys, got 50000"),
        (("significance: 0.05", "significance: 0"), "significance: expected a number greater"),
        (("\n  vgg11:", "\n  vgg12:"), "classes.vgg12: expected lenet or vgg or vgg11, got"),
        (("      Shirt: 0.66\n", "      Shirt: 2\n"), "classes.lenet.recall.Shirt: expected"),
        (("other_data: limits", "other_data: any"), "other_data: expected 'limits' or 'refuse'"),
        (("drift: {}", "drift: {data/own/shop: {modl: vgg}}"), "drift.data/own/shop.modl: unknown"),
        (("metrics:", "metrics: ["), "gate.yaml cannot be read"),
    ],
)
def test_a_fault_in_the_rules_is_an_error(
    tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    text = (ROOT / FILE).read_text()
    assert edit[0] in text
    (tmp_path / "gate.yaml").write_text(text.replace(*edit, 1))
    with pytest.raises(InputError, match=re.escape(message)):
        settings.read(Rules, tmp_path / "gate.yaml")


@pytest.fixture
def run(
    reproduced_toy: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A repository with a made run of the three models; the working folder is in it."""
    shell("git", "clone", "-q", str(reproduced_toy), "run", cwd=tmp_path)
    folder = tmp_path / "run"
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "config").mkdir()
    (folder / FILE).write_text(json.dumps(RULES))
    write(folder, made())
    shell("git", "add", "-A", cwd=folder)
    shell("git", "commit", "-qm", "baseline", cwd=folder)
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, measured: Made) -> None:
    """Write the files of a run in which each model measured this."""
    data = [{"path": "data/fashion_mnist", "md5": measured.data}]
    stages: dict[str, Any] = {"download": {"cmd": "make it"}}
    for model in MODELS:
        stages[f"evaluate@{model}"] = {"cmd": "make it", "deps": data}
        for path, values in measured.files(model).items():
            write_json(folder / path, values)
        for kind, table in (("classes", measured.classes), ("confusion", measured.answers)):
            write_text(folder / f"plots/{kind}/{model}.csv", table.to_csv(index=False))
    right = int(measured.answers["actual"].eq(measured.answers["predicted"]).sum())
    stages["download"]["outs"] = [{**data[0], "size": right}]
    write_json(folder / "dvc.lock", {"schema": "2.0", "stages": stages})


def test_what_is_written_is_what_is_judged(run: Path) -> None:
    write(run, made(880, loss=0.4))
    for revision, wanted in (("workspace", made(880, loss=0.4)), ("HEAD", made())):
        found, expected = (
            read(run, revision, CHECKED.metrics),
            measured(**dict.fromkeys(MODELS, wanted)),
        )
        assert found.values == expected.values
        assert (found.data, found.downloaded) == (expected.data, expected.downloaded)
        assert found.rules == expected.rules
        for model in MODELS:
            assert found.answers[model].equals(wanted.answers)
            assert found.classes[model].equals(wanted.classes)


def test_a_number_that_is_missing_is_named_without_one(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "metrics/evaluate/lenet.json"
    metrics = json.loads(path.read_text())
    del metrics["lenet"]["accuracy"]
    path.write_text(json.dumps(metrics))
    with pytest.raises(InputError, match=r"broken: lenet\.accuracy missing$"):
        gate.check(None, "none")
    assert "None" not in capsys.readouterr().out


def test_rules_that_are_no_file_are_named(run: Path) -> None:
    with pytest.raises(InputError, match=r"^--rules: expected a file .*, got nowhere\.json$"):
        gate.check(Path("nowhere.json"), "none")


def test_a_run_compared_with_itself_is_said_to_be(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.check(None, "HEAD")
    verdict, now, baseline = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"the gate is open: all \d+ rules are met", verdict)
    assert re.fullmatch(r"run: the workspace at [0-9a-f]{7}", now)
    assert re.fullmatch(
        r"baseline: HEAD \([0-9a-f]{7}\): the same run, so it is compared with itself", baseline
    )


def test_the_verdict_comes_first_then_what_failed_and_the_passes_on_request(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, made(880))
    with pytest.raises(InputError) as closed:
        gate.check(None, "HEAD")
    text = str(closed.value)
    assert re.match(
        r"the gate is closed: 6 of \d+ rules are broken: lenet\.accuracy 0\.88 fell", text
    )
    assert text.endswith("; and 3 more")
    assert "\n" not in text
    printed = capsys.readouterr().out
    verdict, _, baseline, _, header, _, *rows = printed.splitlines()
    columns = ["file", "rule", "limit", "measured", "baseline", "why"]
    assert [cell.strip() for cell in header.strip("|").split("|")] == columns
    assert text.startswith(verdict)
    assert "itself" not in baseline
    assert len(rows) == 6
    assert re.search(
        r"\| vgg11\.accuracy +\| fall <= 0\.005 +\| 0\.88 +\| 0\.9 .*fell by 0\.02", rows[4]
    )
    report = (run / gate.REPORT).read_text()
    shown, _, folded = report.partition("<details>")
    assert shown.strip() == printed.strip()
    assert folded.count("| met ") == int(folded.split()[0].removeprefix("<summary>"))
    with pytest.raises(InputError):
        gate.check(None, "HEAD", every=True)
    assert capsys.readouterr().out.count("| met ") == folded.count("| met ")
    # The limits alone hold.
    gate.check(None, "none")
    assert "baseline: none, the limits alone are judged" in capsys.readouterr().out


def test_rules_that_are_not_the_baseline_s_are_mentioned(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / FILE).write_text(json.dumps({**RULES, "significance": 0.01}))
    gate.check(None, "HEAD")
    assert "config/gate.yaml is not the baseline's: see `git diff`" in capsys.readouterr().out


def test_a_worse_run_is_refused_as_a_pull_request_and_as_a_promotion(
    run: Path, shell: Shell, tmp_path: Path
) -> None:
    """All of it is consistent, is committed, and keeps the limits: only a comparison tells."""
    shutil.copytree(ROOT / ".ci", run / ".ci")
    shutil.copytree(ROOT / "src/fashion_cnn/models", run / "src/fashion_cnn/models")
    shutil.copy(ROOT / "params.yaml", run)
    origin = tmp_path / "origin.git"
    shell("git", "clone", "-q", "--bare", str(run), str(origin), cwd=tmp_path)
    shell("git", "remote", "set-url", "origin", str(origin), cwd=run)

    def git(*arguments: str, cwd: Path = run) -> None:
        done = shell("git", *arguments, cwd=cwd)
        assert done.returncode == 0, done.stderr

    def push(branch: str, *tags: str) -> None:
        git("switch", "-q", "-C", branch)
        git("add", "-A")
        git("commit", "-qm", branch)
        for tag in tags:
            git("tag", "-am", "as gto does", tag)
        git("push", "-q", "--follow-tags", "origin", branch)

    def call(clone: Path, script: str, **variables: str) -> tuple[int, str, str]:
        done = shell(f".ci/{script}", cwd=clone, PYTHONPATH=str(ROOT / "src"), **variables)
        return done.returncode, done.stdout, done.stderr

    push("base", "lenet@v1.0.0", "lenet#prod#1")
    for right in (880, 905):
        git("switch", "-q", "base")
        write(run, made(right))
        push(f"run-of-{right}", f"lenet@v1.0.{right}")
        clone = tmp_path / f"clone-{right}"
        git("clone", "-q", "--branch", "base", str(origin), str(clone), cwd=tmp_path)
        # As a pull request's merge commit: its first parent is the base.
        git("merge", "-q", "--no-ff", "-m", "merge", f"origin/run-of-{right}", cwd=clone)
        status, shown, error = call(clone, "gate", BASELINE="HEAD^1")
        assert status == (right == 880), error
        assert re.search(r"^baseline: HEAD\^1 \([0-9a-f]{7}\)$", shown, re.MULTILINE)
        git("checkout", "-q", f"lenet@v1.0.{right}", cwd=clone)
        status, shown, error = call(clone, "promote", TAG=f"lenet@v1.0.{right}")
        assert "in production: lenet@v1.0.0\n" in shown
        assert status == 1
        if right == 880:
            assert call(clone, "gate", BASELINE="none")[0] == 0
            assert "error: the gate is closed: 2 of" in error
            assert "lenet.accuracy 0.88 fell by 0.02, p = " in error
        else:
            assert "error: neither DVC's cache nor a remote has the weights" in error


@pytest.mark.parametrize("baseline", ["nowhere", "HEAD~99"])
@pytest.mark.usefixtures("run")
def test_a_baseline_that_git_does_not_know_is_an_error(baseline: str) -> None:
    with pytest.raises(InputError, match=f"git knows no revision '{baseline}'"):
        gate.check(None, baseline)


def test_metrics_edited_by_hand_fail(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy / "gate.yaml").write_text(json.dumps(RULES))
    (toy / "metrics.json").write_text("{}")
    monkeypatch.chdir(toy)
    with pytest.raises(InputError, match="the gate is closed"):
        gate.check(toy / "gate.yaml", "none")
    assert "does not belong to this checkout: see `make check-lock`" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path",
    [
        "metrics/evaluate/vgg.json",
        "plots/reliability/vgg.json",
        "plots/classes/lenet.csv",
        "dvc.lock",
    ],
)
def test_a_damaged_file_is_named(run: Path, path: str) -> None:
    (run / path).write_text("<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=re.escape(path)) as error:
        gate.check(None, "HEAD")
    assert not path.endswith("json") or "cannot be read: line 1 is not JSON" in str(error.value)
