"""The gate: may a retrained model take the place of the baseline's, by the rules of gate.yaml?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from importlib import import_module
from pathlib import Path

from tabulate import tabulate

from fashion_cnn.base import settings
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.files import write_text
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.tools.revision import WORKSPACE
from fashion_cnn.tools.trust import lock, measured
from fashion_cnn.tools.trust.judging import Verdict, judge
from fashion_cnn.tools.trust.measured import RULES, Measured
from fashion_cnn.tools.trust.rules import Rules

REPORT = Path("runs") / "gate.md"
NAMED = 3
"""How many broken rules the last line names."""


def check(
    rules: Path | None, baseline: str, model: str | None = None, *, every: bool = False
) -> None:
    """Print the verdict on the run of the workspace; write it with all rules to REPORT.

    Args:
        rules: the file that holds them; by default RULES.
        baseline: a git revision to compare with; `none` for the limits alone.
        model: leave out the rules for other models.
        every: print the rules that are met, too.

    Raises:
        InputError: a rule is broken, or the rules or the baseline cannot be read.
    """
    folder = root()
    if rules and not rules.is_file():
        raise InputError(f"--rules: expected a file such as {RULES}, got {rules}")
    if baseline == WORKSPACE:
        raise InputError("--baseline: expected a git revision or none, got the run itself")
    limits = settings.read(Rules, rules or folder / RULES)
    before = None if baseline == "none" else measured.read(folder, baseline, limits.metrics)
    run = measured.read(folder, WORKSPACE, limits.metrics)
    stale = lock.faults(folder)
    fault = "does not belong to this checkout: see `make check-lock`" if stale else ""
    verdicts = [Verdict("dvc.lock", "dvc.lock", fault=fault)]
    verdicts += judge(limits, run, before, [model] if model else tuple(MODELS))
    if limits.drift:  # torch takes seconds to import
        verdicts += import_module("fashion_cnn.tools.trust.drift").judge(limits.drift)
    shown = [each for each in verdicts if each.fault or each.note]
    met = [each for each in verdicts if not (each.fault or each.note)]
    closed = any(each.fault for each in verdicts)
    lines = [headline(verdicts), *_context(run, before, limits)]
    parts = ["\n".join(lines), *([table(shown)] if shown else [])]
    folded = f"<details><summary>{len(met)} rules are met</summary>\n\n{table(met)}\n\n</details>"
    write_text(folder / REPORT, "\n\n".join([*parts, folded]) + "\n")
    print("\n\n".join([*parts, *([table(met)] if every else [])]))
    if closed:
        raise InputError(f"{headline(verdicts)}: {_named(verdicts)}")
    if len(parts) > 1 or every:
        print(f"\n{headline(verdicts)}")


def headline(verdicts: Sequence[Verdict]) -> str:
    """Return the verdict in one line."""
    if broken := sum(bool(verdict.fault) for verdict in verdicts):
        return f"the gate is closed: {broken} of {len(verdicts)} rules are broken"
    return f"the gate is open: all {len(verdicts)} rules are met"


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a table that terminals and Markdown both show."""
    cells = ([*astuple(each)[:5], each.fault or each.note or "met"] for each in verdicts)
    rows = [[_escaped(cell) for cell in row] for row in cells]
    headers = ["file", "rule", "limit", "measured", "baseline", "why"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _context(run: Measured, baseline: Measured | None, rules: Rules) -> Iterator[str]:
    yield f"run: {run.title}"
    if baseline is None:
        yield "baseline: none, the limits alone are judged"
        return
    same = run.lock is not None and run.lock == baseline.lock
    itself = ": the same run, so it is compared with itself" if same else ""
    yield f"baseline: {baseline.title}{itself}"
    if run.rules != baseline.rules:
        yield f"{RULES} is not the baseline's: see `git diff`"


def _named(verdicts: Sequence[Verdict]) -> str:
    """Return the first broken rules in a few words each."""
    broken = [each for each in verdicts if each.fault]
    numbers = ("" if each.value is None else f" {each.value}" for each in broken)
    texts = [
        f"{each.rule}{number} {each.fault}"
        for each, number in zip(broken[:NAMED], numbers, strict=False)
    ]
    more = len(broken) - len(texts)
    return "; ".join([*texts, *([f"and {more} more"] if more else [])])


def _escaped(cell: object) -> str:
    """Return a cell as one line in which Markdown finds no tag of HTML and no other column."""
    text = " ".join(("" if cell is None else str(cell)).split())
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text).replace("|", r"\|")
