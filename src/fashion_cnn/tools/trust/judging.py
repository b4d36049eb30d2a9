"""The rules of gate.yaml, applied to what a run and its baseline measured."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.trust import chance
from fashion_cnn.tools.trust.measured import Measured
from fashion_cnn.tools.trust.rules import Floors, Limits, Rules


@dataclass(frozen=True)
class Verdict:
    """One rule applied to one number; `fault` is empty where the number meets it."""

    where: str
    rule: str
    limit: str = ""
    value: object = None
    baseline: object = None
    fault: str = ""
    note: str = ""


def judge(
    rules: Rules, run: Measured, baseline: Measured | None, models: Sequence[str] = tuple(MODELS)
) -> list[Verdict]:
    """Return the verdict of every rule on `run`, against `baseline` where there is one.

    Rules for files of other networks than `models` are left out.
    """
    verdicts = [verdict for model in models for verdict in _data(rules, model, run, baseline)]
    ruled = {Path(path).stem for path in rules.metrics} | {*rules.classes}
    verdicts += [
        Verdict("gate.yaml", f"rules for {model}", note="there are none")
        for model in models
        if model not in ruled
    ]
    for path, keys in rules.metrics.items():
        model = Path(path).stem
        if model in MODELS and model not in models:
            continue
        comparable = baseline if baseline and _same_data(model, run, baseline) else None
        for key, limits in keys.items():
            verdicts += _number(path, key, limits, run, comparable, rules.significance)
    return [*verdicts, *(each for model in models for each in _classes(rules, model, run))]


def _same_data(model: str, run: Measured, baseline: Measured) -> bool:
    """Whether both were evaluated on the same data; where `model` is none, the data downloaded."""
    now, before = (each.data.get(model, each.downloaded) for each in (run, baseline))
    return now == before


def _data(rules: Rules, model: str, run: Measured, baseline: Measured | None) -> Iterator[Verdict]:
    data, before = run.data[model], baseline.data[model] if baseline else run.downloaded
    fault = note = ""
    if data and baseline and baseline.is_new(model):
        before, note = run.downloaded, "the baseline has no such network"
    if not data or not before:
        fault = "dvc.lock does not say which data"
    elif data != run.downloaded:
        fault = "evaluated on other data than was downloaded"
    elif data != before:
        note = "the baseline was evaluated on other data: the limits alone are judged"
        if rules.other_data == "refuse":
            fault, note = "the baseline was evaluated on other data", ""
    yield Verdict("dvc.lock", f"data of {model}", "", data[:8], before[:8], fault, note)


def _number(
    path: str,
    key: str,
    limits: Limits,
    run: Measured,
    baseline: Measured | None,
    significance: float,
) -> Iterator[Verdict]:
    value = run.number(path, key)
    if fault := _not_a_number(value):
        yield Verdict(path, key, value=value, fault=fault)
        return
    for limit, sign, fault in ((limits.min, ">=", "too low"), (limits.max, "<=", "too high")):
        if limit is not None:
            met = value >= limit if sign == ">=" else value <= limit
            yield Verdict(path, key, f"{sign} {limit:.12g}", value, fault="" if met else fault)
    if baseline and limits.max_fall is not None:
        yield _change(path, key, "fell", limits.max_fall, run, baseline, significance)
    if baseline and limits.max_rise is not None:
        yield _change(path, key, "rose", limits.max_rise, run, baseline, significance)


def _change(
    path: str,
    key: str,
    verb: str,
    most: float,
    run: Measured,
    baseline: Measured,
    significance: float,
) -> Verdict:
    now, before = run.number(path, key), baseline.number(path, key)
    limit = f"{'fall' if verb == 'fell' else 'rise'} <= {most}"
    fault = note = ""
    if problem := _not_a_number(before):
        if baseline.has_rule(path, key):
            fault = f"{problem} in the baseline"
        else:
            note = "the baseline has neither this number nor a rule for it"
        return Verdict(path, key, limit, now, before, fault, note)
    change = before - now if verb == "fell" else now - before
    # Metrics are written to six digits: a smaller difference is rounding.
    if (change := round(change, 6)) > most:
        fault = f"{verb} by {change:g}"
        measure, model = key.rpartition(".")[2], Path(path).stem
        if path == f"metrics/evaluate/{model}.json" and measure in chance.TESTS and verb == "fell":
            p = chance.p_value(measure, run.answers.get(model), baseline.answers.get(model))
            if p is None:
                fault += "; the images differ, so chance cannot be ruled out"
            elif p < significance:
                fault += f", p = {p:.2g}"
            else:
                fault, note = "", f"{fault}, but that may be chance: p = {p:.2g}"
    return Verdict(path, key, limit, now, before, fault, note)


def _classes(rules: Rules, model: str, run: Measured) -> Iterator[Verdict]:
    floors = rules.classes.get(model, Floors())
    path = f"plots/classes/{model}.csv"
    table = run.classes.get(model)
    found = {} if table is None else {row["class"]: row for row in table.to_dict("records")}
    for measure in ("recall", "f1"):
        for name, floor in getattr(floors, measure).items():
            if name in found or not found:
                value: Any = found.get(name, {}).get(measure)
                fault = _not_a_number(value) or ("too low" if value < floor else "")
                yield Verdict(path, f"{measure} of {name}", f">= {floor}", value, fault=fault)
    floored = {**floors.recall, **floors.f1}
    if found and (gone := [name for name in floored if name not in found]):
        fault = f"the data has no such class: correct classes.{model} of gate.yaml"
        yield Verdict(path, f"classes {', '.join(gone)}", fault=fault)
    if floored and (unknown := [name for name in found if name not in floored]):
        note = f"no floor for these classes in classes.{model} of gate.yaml"
        yield Verdict(path, f"classes {', '.join(map(str, unknown))}", note=note)


def _not_a_number(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "no number"
    # Also false for NaN; math.isfinite fails for whole numbers beyond this.
    return "" if abs(value) <= sys.float_info.max else "no number"
