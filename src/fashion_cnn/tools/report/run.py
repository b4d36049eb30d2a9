"""Sections on what was run: summary, pipeline, provenance."""

from collections.abc import Mapping
from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools.report import charts, pipeline
from fashion_cnn.tools.report.blocks import Cell, Chart, Levels, Section, Table
from fashion_cnn.tools.report.compare import TITLES, Comparison, short
from fashion_cnn.tools.report.statistics import wilson
from fashion_cnn.tools.revision import MissingError, Revision


def summary(comparison: Comparison) -> Section:
    """Return what was run, and the accuracy of each network."""
    now = comparison.now
    notes: list[str] = []
    figures: list[Chart | Table] = []
    rows = []
    for model, values in comparison.metrics.items():
        if "accuracy" not in values:
            notes.append(f"metrics/evaluate/{model}.json is not in {now.title}: dvc repro")
            continue
        dots = [_dot(values, model, now.title)]
        if not comparison.same and "accuracy" in comparison.before[model]:
            dots.append(_dot(comparison.before[model], "before", comparison.baseline.title))
        rows.append((TITLES[model], dots))
    if rows:
        span = [v for _, dots in rows for dot in dots for v in (dot.low or 0, dot.high or 0)]
        said = "; ".join(f"{name} {100 * dots[0].value:.2f}%" for name, dots in rows)
        figures.append(
            Chart(
                caption="Accuracy on the test images, with its 95% interval",
                label=f"Test accuracy: {said}",
                svg=charts.dots(rows, "test accuracy", span),
                key=() if comparison.same else [("before", comparison.baseline.title)],
            )
        )
    figures += [_facts(comparison), *_recipes(now, comparison.baseline, notes)]
    return Section("summary", "What was run", "", figures, notes)


def pipeline_of(revision: Revision) -> Section:
    """Return the pipeline's graph."""
    lead = "Each stage runs when what it depends on has changed, and only then."
    try:
        found = pipeline.read(revision)
    except MissingError as missing:
        return Section("pipeline", "The pipeline", lead, [], [str(missing)])
    before = {
        stage.name: ", ".join(first for first, second in found.edges if second == stage.name)
        for level in found.levels
        for stage in level
    }

    def lines(stage: pipeline.Stage) -> list[str]:
        after = f"after {before[stage.name]}" if before[stage.name] else ""
        return list(filter(None, [stage.description, " ".join(stage.items), after]))

    levels = [[(stage.name, lines(stage)) for stage in level] for level in found.levels]
    figure = Levels("Stages from first to last, as dvc.lock has them", levels)
    notes = [f"{name} has not been run: it is not in dvc.lock" for name in found.not_run]
    return Section("pipeline", "The pipeline", lead, [figure], notes)


def provenance(revision: Revision) -> Section:
    """Return what each stage read and wrote, by hash."""
    lead = (
        "MD5 of everything that a stage read and wrote, as dvc.lock has it. The same inputs, "
        "parameters and device give the same outputs."
    )
    try:
        found = pipeline.read(revision)
    except MissingError as missing:
        return Section("provenance", "Provenance", lead, [], [str(missing)])
    outputs = Table(
        "What each stage wrote",
        ("Output", "MD5", "Size"),
        [(f.path, _hash(f.md5, f.stage), f"{short(f.size)}B") for f in found.lock.outputs],
        text=True,
        wide=True,
    )
    written = {file.path for file in found.lock.outputs}
    readers: dict[tuple[str, str], list[str]] = {}
    for file in found.lock.inputs:
        if file.path not in written:
            readers.setdefault((file.path, file.md5), []).append(file.stage)
    code = Table(
        "Code and data that the stages read",
        ("Input", "MD5"),
        [
            (path, _hash(md5, ", ".join(by) if len(by) < 4 else f"{len(by)} stages"))
            for (path, md5), by in sorted(readers.items())
        ],
        text=True,
        wide=True,
    )
    return Section("provenance", "Provenance", lead, [outputs, code])


def _hash(md5: str, below: str) -> Cell:
    return Cell(md5[:8], below, title=md5)


def show(value: object) -> str:
    """Write a parameter as in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return ", ".join(map(show, value))
    return str(value)


def _dot(values: Mapping[str, Any], color: str, title: str) -> charts.Dot:
    low, high = values.get("accuracy_low"), values.get("accuracy_high")
    if low is None or high is None:
        low, high = wilson(values["accuracy"], int(values["images"]))
    tip = f"{title}: {100 * values['accuracy']:.2f}% ({100 * low:.2f} to {100 * high:.2f})"
    return charts.Dot(title, color, values["accuracy"], low, high, tip)


def _facts(comparison: Comparison) -> Table:
    now, baseline = comparison.now, comparison.baseline
    rows: list[tuple[str | Cell, ...]] = [
        ("Commit", Cell(now.commit, now.subject)),
        ("Edits", "yes, which git does not hold yet" if now.edited else "none"),
        (
            "Compared with",
            "itself"
            if comparison.same
            else Cell(baseline.title, f"{baseline.commit} {baseline.subject}"),
        ),
    ]
    for model, values in comparison.metrics.items():
        made = flatten(values.get("made_with") or {}).items()
        made_with = ", ".join(f"{key.replace('_', ' ')} {show(value)}" for key, value in made)
        rows.append((f"{TITLES[model]} made with", made_with or "not recorded"))
    return Table("The run", ("", "This run"), rows, text=True)


def _recipes(now: Revision, baseline: Revision, notes: list[str]) -> list[Table]:
    """Return the networks' parameters side by side, and the others below."""
    values, before = _parameters(now, notes), _parameters(baseline, notes)

    def cell(key: str) -> Cell:
        if key not in values:
            return Cell("–")
        changed = bool(before) and before.get(key, values[key]) != values[key]
        was = f"was {show(before[key])}" if changed else ""
        return Cell(show(values[key]), was, "changed" if changed else "")

    def of_a_network(key: str) -> bool:
        return key.partition(".")[0] in MODELS

    names = dict.fromkeys(
        key.partition(".")[2]
        for key in (*values, *before)
        # A limit that no network has says nothing.
        if of_a_network(key) and not (".budget." in key and values.get(key) is None)
    )
    recipes: list[tuple[str | Cell, ...]] = [
        (name, *(cell(f"{model}.{name}") for model in MODELS)) for name in names
    ]
    others = [(key, cell(key)) for key in values if not of_a_network(key)]
    titles = TITLES.values()
    return [
        Table("Parameters of the networks", ("Parameter", *titles), recipes),
        Table("Other parameters", ("Parameter", "Value"), others),
    ]


def _parameters(revision: Revision, notes: list[str]) -> dict[str, object]:
    try:
        return flatten(revision.yaml("params.yaml") or {})
    except MissingError as missing:
        notes.append(str(missing))
        return {}
