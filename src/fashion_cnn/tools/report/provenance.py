"""Sections on what was run: parameters, pipeline, provenance."""

from contextlib import suppress
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

from fashion_cnn.base.params import WHOLE
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import lockfile
from fashion_cnn.tools.lockfile import Lockfile, name_in_dvc_yaml
from fashion_cnn.tools.report.blocks import Cell, Section, Table
from fashion_cnn.tools.report.comparison import TITLES, Comparison, short
from fashion_cnn.tools.report.staleness import parameters, show
from fashion_cnn.tools.revision import MissingError, Revision

Listing = partial(Table, text=True, wide=True)


def pipeline_of(revision: Revision) -> Section:
    """Return the stages from the first to the last, and which each one follows."""
    lead = "Each stage runs when what it depends on has changed, and only then."
    try:
        written, lock = _stages(revision)
    except MissingError as error:
        return Section("pipeline", "The pipeline", lead, [], [str(error)], folded=True)
    after: dict[str, set[str]] = {name_in_dvc_yaml(stage): set() for stage in lock.stages}
    made = lock.written()
    for file in lock.inputs:
        name = name_in_dvc_yaml(file.stage)
        after[name] |= {name_in_dvc_yaml(each.stage) for each in made.get(file.path, ())} - {name}
    order = list(TopologicalSorter(after).static_order())
    rows = [
        (name, _description(written.get(name)), ", ".join(sorted(after[name], key=order.index)))
        for name in order
    ]
    heads = ("Stage", "What it does", "After")
    figure = Listing("Stages from first to last, as dvc.lock has them", heads, rows)
    missing = [name for name in written if name not in after]
    notes = [f"{name} has not been run: it is not in dvc.lock" for name in missing]
    return Section("pipeline", "The pipeline", lead, [figure], notes, folded=True)


def provenance(revision: Revision) -> Section:
    """Return what each stage read and wrote, by hash."""
    lead = (
        "MD5 of everything that a stage read and wrote, as dvc.lock has it. The same inputs, "
        "parameters and device give the same outputs."
    )
    try:
        _, lock = _stages(revision)
    except MissingError as missing:
        return Section("provenance", "Provenance", lead, [], [str(missing)], folded=True)
    made = [(f.path, _hash(f.md5, f.stage), f"{short(f.size)}B") for f in lock.outputs]
    outputs = Listing("What each stage wrote", ("Output", "MD5", "Size"), made)
    written = {file.path for file in lock.outputs}
    readers: dict[tuple[str, str], list[str]] = {}
    for file in lock.inputs:
        if file.path not in written:
            readers.setdefault((file.path, file.md5), []).append(file.stage)
    read = [
        (path, _hash(md5, ", ".join(by) if len(by) < 4 else f"{len(by)} stages"))
        for (path, md5), by in sorted(readers.items())
    ]
    code = Listing("Code and data that the stages read", ("Input", "MD5"), read)
    return Section("provenance", "Provenance", lead, [outputs, code], folded=True)


def _stages(revision: Revision) -> tuple[dict[str, Any], Lockfile]:
    """Return the stages of dvc.yaml, and of dvc.lock those that dvc.yaml still has.

    Raises:
        MissingError: no stage has run.
    """
    written: dict[str, Any] = {}
    with suppress(MissingError):
        written = (revision.yaml("dvc.yaml") or {}).get("stages") or {}
    lock = lockfile.read(revision, written or None)
    if not lock.stages:
        raise MissingError(f"dvc.lock of {revision.title} has no stage: dvc repro")
    return written, lock


def _description(stage: dict[str, Any] | None) -> str:
    """Return what a stage does; one that dvc.yaml makes of a list says so under `do`."""
    stage = stage or {}
    return str(stage.get("do", stage).get("desc", ""))


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
    figures = [Listing("The run", ("", "This run"), rows)]
    values, before, usual = parameters(now), parameters(baseline), flatten(WHOLE().model_dump())
    notable = [
        (key, show(value), show(before.get(key)) if before.get(key) != value else "the same")
        for key, value in values.items()
        if before.get(key) != value or (value is not None and usual.get(key, "") != value)
    ]
    if notable:
        heads = ("Parameter", "This run", "Baseline")
        caption = "Parameters that are neither null nor a default, and those that changed"
        figures.append(Listing(caption, heads, notable))
    lead = "" if notable else "Every parameter is null or has its default."
    notes = [] if values else [f"params.yaml is not in {now.title}, or cannot be read"]
    return Section("parameters", "Parameters", lead, figures, notes, folded=True)
