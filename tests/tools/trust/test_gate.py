"""Every rule of the gate on made metrics: what meets it passes, what breaks it is named."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fashion_cnn.base import settings
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_csv, write_json, write_text
from fashion_cnn.base.models import MODELS
from fashion_cnn.dataset.kind import FASHION_MNIST
from fashion_cnn.tools.trust import gate
from fashion_cnn.tools.trust.gate import Verdict, judge
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
MODEL_RULES = {
    "at_least": {"accuracy": 0.85, "macro_f1": 0.85},
    "at_most": {
        "loss": 0.5,
        "expected_calibration_error": 0.05,
        "parameters": 50_000,
        "weight_bytes": 200_000,
    },
    "may_fall": {"accuracy": 0.005},
    "class_recall": dict.fromkeys(FASHION_MNIST.classes, 0.7),
    "class_f1": {"Shirt": 0.6},
}
RULES = Rules.model_validate({"significance": 0.05, **dict.fromkeys(MODELS, MODEL_RULES)})


def made(right: int = 900, /, **numbers: Any) -> Measured:
    """What is measured of a model that gets the first `right` of 1,000 images right."""
    actual = [FASHION_MNIST.classes[image % 10] for image in range(IMAGES)]
    wrong = [FASHION_MNIST.classes[(image + 1) % 10] for image in range(IMAGES)]
    return Measured(
        numbers={
            "accuracy": right / IMAGES,
            "macro_f1": right / IMAGES,
            "loss": 0.3,
            "expected_calibration_error": 0.02,
            "parameters": 44_426,
            "weight_bytes": 180_000,
        }
        | {
            f"{measure} of {name}": 0.9
            for measure in ("recall", "f1")
            for name in FASHION_MNIST.classes
        }
        | numbers,
        answers=pd.DataFrame({"actual": actual, "predicted": actual[:right] + wrong[right:]}),
        data="a" * 32,
        downloaded="a" * 32,
    )


def replaced(measured: Measured, **fields: object) -> Measured:
    return Measured(**(vars(measured) | fields))


def broken(lenet: Measured, baseline: Measured | None = None) -> list[Verdict]:
    """The rules that LeNet breaks, beside two models that meet them all."""
    run = {"lenet": lenet, "vgg": made(), "vgg11": made()}
    before = {"vgg": made(), "vgg11": made()}
    verdicts = judge(RULES, run, {"lenet": baseline, **before} if baseline else None)
    assert {verdict.model for verdict in verdicts} == set(MODELS)
    assert not [verdict for verdict in verdicts if verdict.fault and verdict.model != "lenet"]
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
    assert (verdict.rule, verdict.fault) == (next(iter(metrics)), fault)


def test_a_metric_at_its_limit_passes() -> None:
    assert broken(made(accuracy=0.85, macro_f1=0.85, loss=0.5, weight_bytes=200_000)) == []


@pytest.mark.parametrize(
    ("rule", "value", "fault"),
    [
        ("recall of Shirt", 0.69, "too low"),
        ("f1 of Shirt", 0.59, "too low"),
        ("recall of Bag", float("nan"), "no number"),
        ("recall of Ankle boot", None, "the data has no class of this name"),
    ],
)
def test_one_class_below_its_floor_fails(rule: str, value: float | None, fault: str) -> None:
    (verdict,) = broken(made(**{rule: value}))
    assert (verdict.rule, verdict.fault) == (rule, fault)


def test_without_any_file_every_rule_fails() -> None:
    nothing = Measured({}, pd.DataFrame(), "", "")
    faults = {verdict.rule: verdict.fault for verdict in broken(nothing, made())}
    assert len(faults) == 1 + 2 + 4 + 10 + 1 + 1
    assert faults.pop("data") == "dvc.lock does not say which data"
    assert set(faults.values()) == {"missing"}


def test_a_fall_fails_only_where_it_is_large_and_no_chance() -> None:
    # 15 images lost, none gained: p = 2 / 2**15.
    (verdict,) = broken(made(885), made(900))
    assert (verdict.rule, verdict.fault) == ("fall of accuracy", "fell by 0.015, p = 6.1e-05")
    # As sure, but within what a metric may fall.
    assert broken(made(895), made(900)) == []
    # A rise.
    assert broken(made(950), made(900)) == []


def test_a_fall_that_may_be_chance_passes_with_a_note() -> None:
    before = made(900)
    now = made(890)
    # The new model gets 60 images right that the old one did not, and 70 the other way.
    right = [image < 830 or image >= IMAGES - 60 for image in range(IMAGES)]
    swapped = before.answers["actual"].where(pd.Series(right), "none of them")
    now = replaced(now, answers=before.answers.assign(predicted=swapped))
    assert broken(now, before) == []
    run = dict.fromkeys(MODELS, now)
    verdicts = judge(RULES, run, dict.fromkeys(MODELS, before))
    (fall,) = [each for each in verdicts if (each.model, each.rule[:4]) == ("lenet", "fall")]
    assert re.fullmatch(r"fell by 0\.01, but that may be chance: p = 0\.43", fall.note)


def test_a_fall_on_other_images_is_not_excused() -> None:
    now = made(885)
    (verdict,) = broken(replaced(now, answers=now.answers[:-1]), made(900))
    assert "the images differ" in verdict.fault
    (verdict,) = broken(replaced(now, answers=pd.DataFrame()), made(900))
    assert "the images differ" in verdict.fault


def test_a_baseline_without_the_metric_fails() -> None:
    (verdict,) = broken(made(), made(accuracy=None))
    assert verdict.fault == "missing in the baseline"
    (verdict,) = broken(made(), made(accuracy=float("nan")))
    assert verdict.fault == "no number in the baseline"


def test_a_metric_of_other_data_fails() -> None:
    other = "b" * 32
    (verdict,) = broken(replaced(made(), data=other, downloaded=other), made())
    assert (verdict.rule, verdict.fault) == ("data", "the baseline was evaluated on other data")
    (verdict,) = broken(replaced(made(), data=other))
    assert verdict.fault == "evaluated on other data than was downloaded"
    (verdict,) = broken(made(), replaced(made(), data="", downloaded=""))
    assert verdict.fault == "dvc.lock does not say which data"


def test_the_repository_s_rules_name_every_class_of_every_model() -> None:
    rules = settings.read(Rules, ROOT / gate.RULES)
    for model in MODELS:
        assert list(getattr(rules, model).class_recall) == list(FASHION_MNIST.classes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("accuracy: 0.9 ", "acuracy: 0.9 "), "lenet.at_least.acuracy: unknown key, got 0.9; did"),
        (("accuracy: 0.9 ", "accuracy: 1.9 "), "lenet.at_least.accuracy: expected a number less"),
        (("parameters: 50000", "parameters: many"), "lenet.at_most.parameters: expected"),
        (("significance: 0.05", "significance: 0"), "significance: expected a number greater"),
        (("vgg11:", "vgg12:"), "vgg11: expected a value, got none: the key is missing"),
        (("    Shirt: 0.66\n", "    Shirt: 2\n"), "lenet.class_recall.Shirt: expected"),
        (("lenet:", "lenet: ["), "gate.yaml cannot be read"),
    ],
)
def test_a_fault_in_the_rules_is_an_error(
    tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    text = (ROOT / gate.RULES).read_text()
    assert edit[0] in text
    (tmp_path / "gate.yaml").write_text(text.replace(*edit, 1))
    with pytest.raises(InputError, match=re.escape(message)):
        settings.read(Rules, tmp_path / "gate.yaml")


@pytest.fixture
def run(reproduced_toy: Path, shell: Shell, tmp_path: Path) -> Path:
    """A repository with a made run of the three models, its metrics files in the old format."""
    shell("git", "clone", "-q", str(reproduced_toy), "run", cwd=tmp_path)
    folder = tmp_path / "run"
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "config").mkdir()
    (folder / gate.RULES).write_text(json.dumps(RULES.model_dump()))
    write(folder, made(), flat=True)
    shell("git", "add", "-A", cwd=folder)
    shell("git", "commit", "-qm", "baseline", cwd=folder)
    return folder


def write(folder: Path, measured: Measured, *, flat: bool = False) -> None:
    """Write the files of a run in which each model measured this; `flat`: in the old format."""
    numbers = {name: value for name, value in measured.numbers.items() if " of " not in name}
    details = {name: numbers[name] for name in ("parameters", "weight_bytes")}
    error = {"expected_calibration_error": numbers["expected_calibration_error"]}
    main = {name: value for name, value in numbers.items() if name not in details | error}
    classes = [
        {"class": name, **{m: measured.numbers[f"{m} of {name}"] for m in ("recall", "f1")}}
        for name in FASHION_MNIST.classes
    ]
    data = [{"path": "data/fashion_mnist", "md5": measured.data}]
    stages: dict[str, Any] = {"download": {"cmd": "make it", "outs": data}}
    for model in MODELS:
        stages[f"evaluate@{model}"] = {"cmd": "make it", "deps": data}
        evaluated = numbers if flat else {model: main, "details": [details]}
        write_json(folder / f"metrics/evaluate/{model}.json", evaluated)
        if not flat:
            write_json(folder / f"plots/reliability/{model}.json", {model: error, "bins": []})
        write_csv(folder / f"plots/classes/{model}.csv", classes)
        write_text(folder / f"plots/confusion/{model}.csv", measured.answers.to_csv(index=False))
    write_json(folder / "dvc.lock", {"schema": "2.0", "stages": stages})


def test_what_is_written_is_what_is_judged(run: Path) -> None:
    write(run, made(880, loss=0.4))
    for revision, wanted in (("workspace", made(880, loss=0.4)), ("HEAD", made())):
        found = read(run, revision)
        for model in MODELS:
            assert found[model].numbers == wanted.numbers
            assert found[model].answers.equals(wanted.answers)
            assert (found[model].data, found[model].downloaded) == (wanted.data, wanted.downloaded)


def test_the_command_prints_every_rule_and_fails_with_the_run(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run)
    gate.check(None, "HEAD")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"the gate is open: all {len(lines) - 4} rules are met"
    assert sum("| yes" in line for line in lines) == len(lines) - 4
    write(run, made(880))
    with pytest.raises(InputError, match=r"the gate is closed: 3 of \d+ rules are broken"):
        gate.check(None, "HEAD")
    printed = capsys.readouterr().out
    assert re.search(
        r"\| vgg11 +\| fall of accuracy +\| <= 0\.005 .*\| no +\| fell by 0\.02", printed
    )
    # The limits alone hold.
    gate.check(None, "none")


@pytest.mark.parametrize("baseline", ["nowhere", "HEAD~99"])
def test_a_baseline_that_git_does_not_know_is_an_error(
    run: Path, monkeypatch: pytest.MonkeyPatch, baseline: str
) -> None:
    monkeypatch.chdir(run)
    with pytest.raises(InputError, match=f"git knows no revision '{baseline}'"):
        gate.check(None, baseline)


def test_metrics_edited_by_hand_fail(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy / "gate.yaml").write_text(json.dumps(RULES.model_dump()))
    (toy / "metrics.json").write_text("{}")
    monkeypatch.chdir(toy)
    with pytest.raises(InputError, match="the gate is closed"):
        gate.check(toy / "gate.yaml", "none")
    assert "does not belong to this checkout: see `make check-lock`" in capsys.readouterr().out


def test_a_damaged_metrics_file_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "metrics/evaluate/vgg.json").write_text("<<<<<<< HEAD\n")
    monkeypatch.chdir(run)
    with pytest.raises(InputError, match=r"metrics/evaluate/vgg\.json of the workspace .* cannot"):
        gate.check(None, "HEAD")
