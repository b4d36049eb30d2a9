"""The gate: does a retrained model keep what gate.yaml asks, and what the baseline had?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from fashion_cnn.base import settings
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.pairwise import mcnemar
from fashion_cnn.tools.trust import lock
from fashion_cnn.tools.trust.revision import Measured, Revision, read
from fashion_cnn.tools.trust.rules import ModelRules, Rules


@dataclass(frozen=True)
class Verdict:
    """One rule held against one model; `fault` is empty where it passed."""

    model: str
    rule: str
    limit: object = ""
    measured: object = ""
    baseline: object = ""
    fault: str = ""
    note: str = ""


def check(rules_file: Path, baseline: str) -> None:
    """Print each rule's verdict on the working tree's run.

    Args:
        rules_file: gate.yaml, or another of its form.
        baseline: a git revision to compare with; `none` for the limits alone.

    Raises:
        InputError: a rule is broken, or the rules or the baseline cannot be read.
    """
    rules = settings.read(Rules, rules_file)
    folder = root()
    before = None if baseline == "none" else read(folder, baseline)
    stale = len(lock.faults(folder))
    fault = f"{stale} reason(s) not to belong: see `make check-lock`" if stale else ""
    verdicts = [Verdict("all", "dvc.lock", fault=fault)]
    verdicts += judge(rules, read(folder), before)
    print(table(verdicts))
    if broken := sum(bool(verdict.fault) for verdict in verdicts):
        raise InputError(f"the gate is closed: {broken} of {len(verdicts)} rules are broken")
    print(f"\nthe gate is open: all {len(verdicts)} rules are kept")


def judge(rules: Rules, run: Revision, baseline: Revision | None) -> list[Verdict]:
    """Return the verdict of every rule on `run`, against `baseline` where there is one."""
    return [
        verdict
        for model in MODELS
        for verdict in _judge(
            model,
            getattr(rules, model),
            run[model],
            baseline[model] if baseline is not None else None,
            rules.significance,
        )
    ]


def table(verdicts: list[Verdict]) -> str:
    """Return the verdicts as a table that terminals and Markdown both show."""
    rows = [
        {
            "model": verdict.model,
            "rule": verdict.rule,
            "limit": verdict.limit,
            "measured": verdict.measured,
            "baseline": verdict.baseline,
            "passed": "no" if verdict.fault else "yes",
            "why": verdict.fault or verdict.note,
        }
        for verdict in verdicts
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _judge(
    model: str, rules: ModelRules, run: Measured, baseline: Measured | None, significance: float
) -> Iterator[Verdict]:
    yield _same_data(model, run, baseline)
    for name, floor in rules.at_least.model_dump(exclude_none=True).items():
        yield _limit(model, name, floor, run.metrics.get(name), at_least=True)
    for name, ceiling in rules.at_most.model_dump(exclude_none=True).items():
        yield _limit(model, name, ceiling, run.metrics.get(name), at_least=False)
    for column, floors in (("recall", rules.class_recall), ("f1", rules.class_f1 or {})):
        for name, floor in floors.items():
            measured = run.classes.get(name, {}).get(column)
            yield _limit(model, f"{column} of {name}", floor, measured, at_least=True)
    if baseline is not None:
        for name, most in rules.may_fall.model_dump(exclude_none=True).items():
            yield _fall(model, name, most, run, baseline, significance)


def _same_data(model: str, run: Measured, baseline: Measured | None) -> Verdict:
    wanted = run.fetched if baseline is None else baseline.data
    fault = ""
    if not run.data or not wanted:
        fault = "dvc.lock does not say which data"
    elif run.data != run.fetched:
        fault = "evaluated on other data than was fetched"
    elif run.data != wanted:
        fault = "the baseline was evaluated on other data"
    return Verdict(model, "data", "", run.data[:8], wanted[:8], fault)


def _limit(model: str, name: str, limit: float, measured: object, *, at_least: bool) -> Verdict:
    sign = ">=" if at_least else "<="
    fault = _no_number(measured)
    if isinstance(measured, int | float) and not fault:
        kept = measured >= limit if at_least else measured <= limit
        fault = "" if kept else f"too {'low' if at_least else 'high'}"
    return Verdict(model, name, f"{sign} {limit}", _text(measured), fault=fault)


def _fall(
    model: str, name: str, most: float, run: Measured, baseline: Measured, significance: float
) -> Verdict:
    now, before = run.metrics.get(name), baseline.metrics.get(name)
    fault, note = _no_number(now), ""
    if not fault and (told := _no_number(before)):
        fault = f"{told} in the baseline"
    if isinstance(now, int | float) and isinstance(before, int | float) and not fault:
        # Metrics are written to six digits: what lies below is rounding.
        fall = round(before - now, 6)
        if fall > most:
            p_value = _p_value(run.confusion, baseline.confusion)
            if p_value is None:
                fault = f"fell by {fall:g}; the images differ, so chance cannot be ruled out"
            elif p_value < significance:
                fault = f"fell by {fall:g}, p = {p_value:.2g}"
            else:
                note = f"fell by {fall:g}, but that may be chance: p = {p_value:.2g}"
    return Verdict(model, f"fall of {name}", f"<= {most}", _text(now), _text(before), fault, note)


def _p_value(run: pd.DataFrame, baseline: pd.DataFrame) -> float | None:
    """Return McNemar's p-value of two tables of actual, predicted; None where images differ."""
    if run.empty or baseline.empty or not run["actual"].equals(baseline["actual"]):
        return None
    now = run["actual"] == run["predicted"]
    before = baseline["actual"] == baseline["predicted"]
    return mcnemar(int((before & ~now).sum()), int((now & ~before).sum()))


def _no_number(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "no number"
    return ""


def _text(value: object) -> str:
    return "" if value is None else str(value)
