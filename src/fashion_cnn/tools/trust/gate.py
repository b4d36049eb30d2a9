"""The gate: may a retrained model take the place of the baseline's, by the rules of gate.yaml?"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from fashion_cnn.base import settings
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.pairwise import mcnemar
from fashion_cnn.tools.revision import WORKSPACE
from fashion_cnn.tools.trust import lock, measured
from fashion_cnn.tools.trust.measured import Measured
from fashion_cnn.tools.trust.rules import ModelRules, Rules

RULES = Path("config") / "gate.yaml"


@dataclass(frozen=True)
class Verdict:
    """One rule applied to one model; `fault` is empty where the model meets it."""

    model: str
    rule: str
    limit: str = ""
    value: object = None
    baseline: object = None
    fault: str = ""
    note: str = ""


def check(rules: Path | None, baseline: str) -> None:
    """Print each rule's verdict on the run of the workspace.

    Args:
        rules: the file that holds them; by default RULES.
        baseline: a git revision to compare with; `none` for the limits alone.

    Raises:
        InputError: a rule is broken, or the rules or the baseline cannot be read.
    """
    folder = root()
    if rules and not rules.is_file():
        raise InputError(f"--rules: expected a file such as {RULES}, got {rules}")
    limits = settings.read(Rules, rules or folder / RULES)
    before = None if baseline == "none" else measured.read(folder, baseline)
    stale = lock.faults(folder)
    fault = "does not belong to this checkout: see `make check-lock`" if stale else ""
    verdicts = [Verdict("all", "dvc.lock", fault=fault)]
    verdicts += judge(limits, measured.read(folder, WORKSPACE), before)
    print(table(verdicts))
    if broken := sum(bool(verdict.fault) for verdict in verdicts):
        raise InputError(f"the gate is closed: {broken} of {len(verdicts)} rules are broken")
    print(f"\nthe gate is open: all {len(verdicts)} rules are met")


def judge(
    rules: Rules, run: Mapping[str, Measured], baseline: Mapping[str, Measured] | None
) -> list[Verdict]:
    """Return the verdict of every rule on `run`, against `baseline` where there is one."""
    verdicts: list[Verdict] = []
    for model in MODELS:
        limits: ModelRules = getattr(rules, model)
        now, before = run[model], baseline[model] if baseline else None
        verdicts += [_same_data(model, now, before), *_limits(model, limits, now)]
        if before:
            verdicts += [
                _fall(model, name, most, now, before, rules.significance)
                for name, most in limits.may_fall.model_dump(exclude_none=True).items()
            ]
    return verdicts


def table(verdicts: list[Verdict]) -> str:
    """Return the verdicts as a table that terminals and Markdown both show."""
    cells = (
        [*astuple(each)[:5], "no" if each.fault else "yes", each.fault or each.note]
        for each in verdicts
    )
    rows = [[_escaped(cell) for cell in row] for row in cells]
    headers = ["model", "rule", "limit", "measured", "baseline", "passed", "why"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _escaped(cell: object) -> str:
    """Return a cell as one line in which Markdown finds no tag of HTML and no other column."""
    text = " ".join(("" if cell is None else str(cell)).split())
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text).replace("|", r"\|")


def _same_data(model: str, run: Measured, baseline: Measured | None) -> Verdict:
    wanted = baseline.data if baseline else run.downloaded
    fault = ""
    if not run.data or not wanted:
        fault = "dvc.lock does not say which data"
    elif run.data != run.downloaded:
        fault = "evaluated on other data than was downloaded"
    elif run.data != wanted:
        fault = "the baseline was evaluated on other data"
    return Verdict(model, "data", "", run.data[:8], wanted[:8], fault)


def _limits(model: str, rules: ModelRules, run: Measured) -> Iterator[Verdict]:
    floors = rules.at_least.model_dump(exclude_none=True)
    floors |= {f"recall of {name}": floor for name, floor in (rules.class_recall or {}).items()}
    floors |= {f"f1 of {name}": floor for name, floor in (rules.class_f1 or {}).items()}
    known = any(name.startswith("recall of ") for name in run.numbers)
    value: Any
    for name, limit in floors.items():
        value = run.numbers.get(name)
        if value is None and " of " in name and known:
            fault = "the data has no class of this name"
        else:
            fault = _not_a_number(value) or ("too low" if value < limit else "")
        yield Verdict(model, name, f">= {limit}", value, fault=fault)
    for name, limit in rules.at_most.model_dump(exclude_none=True).items():
        value = run.numbers.get(name)
        fault = _not_a_number(value) or ("too high" if value > limit else "")
        yield Verdict(model, name, f"<= {limit}", value, fault=fault)


def _fall(
    model: str, name: str, most: float, run: Measured, baseline: Measured, significance: float
) -> Verdict:
    now: Any = run.numbers.get(name)
    before: Any = baseline.numbers.get(name)
    fault, note = _not_a_number(now), ""
    if not fault and (problem := _not_a_number(before)):
        fault = f"{problem} in the baseline"
    # Metrics are written to six digits: a smaller difference is rounding.
    if not fault and (fall := round(before - now, 6)) > most:
        p_value = _p_value(run.answers, baseline.answers)
        if p_value is None:
            fault = f"fell by {fall:g}; the images differ, so chance cannot be ruled out"
        elif p_value < significance:
            fault = f"fell by {fall:g}, p = {p_value:.2g}"
        else:
            note = f"fell by {fall:g}, but that may be chance: p = {p_value:.2g}"
    return Verdict(model, f"fall of {name}", f"<= {most}", now, before, fault, note)


def _p_value(run: pd.DataFrame, baseline: pd.DataFrame) -> float | None:
    """Return McNemar's p-value of two tables of answers; None where they are of other images."""
    if run.empty or baseline.empty or not run["actual"].equals(baseline["actual"]):
        return None
    now = run["actual"] == run["predicted"]
    before = baseline["actual"] == baseline["predicted"]
    return mcnemar(int((before & ~now).sum()), int((now & ~before).sum()))


def _not_a_number(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "no number"
    # Also false for NaN; math.isfinite fails for whole numbers beyond this.
    return "" if abs(value) <= sys.float_info.max else "no number"
