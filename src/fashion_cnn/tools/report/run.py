"""Sections on what was run: parameters, pipeline, provenance."""

from fashion_cnn.base.params import WHOLE
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools.report import pipeline
from fashion_cnn.tools.report.blocks import Cell, Levels, Section, Table
from fashion_cnn.tools.report.compare import TITLES, Comparison, short
from fashion_cnn.tools.report.staleness import parameters, show
from fashion_cnn.tools.revision import MissingError, Revision


def pipeline_of(revision: Revision) -> Section:
    """Return the pipeline's graph."""
    lead = "Each stage runs when what it depends on has changed, and only then."
    try:
        found = pipeline.read(revision)
    except MissingError as missing:
        return Section("pipeline", "The pipeline", lead, [], [str(missing)], folded=True)
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
    return Section("pipeline", "The pipeline", lead, [figure], notes, folded=True)


def provenance(revision: Revision) -> Section:
    """Return what each stage read and wrote, by hash."""
    lead = (
        "MD5 of everything that a stage read and wrote, as dvc.lock has it. The same inputs, "
        "parameters and device give the same outputs."
    )
    try:
        found = pipeline.read(revision)
    except MissingError as missing:
        return Section("provenance", "Provenance", lead, [], [str(missing)], folded=True)
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
    return Section("provenance", "Provenance", lead, [outputs, code], folded=True)


def _hash(md5: str, below: str) -> Cell:
    return Cell(md5[:8], below, title=md5)


def settings(comparison: Comparison) -> Section:
    """Return the commits, what the networks were made with, and the parameters of note."""
    now, baseline = comparison.now, comparison.baseline
    rows: list[tuple[str | Cell, ...]] = [
        ("Commit", Cell(now.commit[:12], now.subject)),
        ("Edits", "yes, which git does not hold yet" if now.edited else "none"),
    ]
    if not comparison.same:
        rows.append(("Baseline", Cell(baseline.commit[:12], baseline.subject)))
    for model, values in comparison.metrics.items():
        for name, title in (("made_with", "trained"), ("evaluated_with", "evaluated")):
            made = flatten(values.get(name) or {}).items()
            words = ", ".join(f"{key.replace('_', ' ')} {show(value)}" for key, value in made)
            rows.append((f"{TITLES[model]} {title} with", words or "not recorded"))
    figures = [Table("The run", ("", "This run"), rows, text=True, wide=True)]
    values, before, usual = parameters(now), parameters(baseline), flatten(WHOLE().model_dump())
    notable = [
        (key, show(value), show(before.get(key)) if before.get(key) != value else "the same")
        for key, value in values.items()
        if before.get(key) != value or (value is not None and usual.get(key, "") != value)
    ]
    if notable:
        heads = ("Parameter", "This run", "Baseline")
        caption = "Parameters that are neither null nor a default, and those that changed"
        figures.append(Table(caption, heads, notable, text=True, wide=True))
    lead = "" if notable else "Every parameter is null or has its default."
    notes = [] if values else [f"params.yaml is not in {now.title}, or cannot be read"]
    return Section("parameters", "Parameters", lead, figures, notes, folded=True)
