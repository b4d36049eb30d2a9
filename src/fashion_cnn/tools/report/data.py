"""The section on the data: which it is, and how far it is from the baseline's."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.params import Dataset
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.images import Images
from fashion_cnn.dataset.kind import CLASSES_FILE
from fashion_cnn.sources.files import FILES
from fashion_cnn.tools import lockfile
from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.tools.report.comparison import TITLES, Comparison
from fashion_cnn.tools.revision import MissingError, NoFileError, Revision
from fashion_cnn.tools.trust import drift
from fashion_cnn.trained import weights

FOLDER = "data/fashion_mnist"
CONFIDENT_IMAGES = 500
"""Images of each data set that a network's confidence is compared on: VGG-11 is slow on a CPU."""


def data(comparison: Comparison) -> Section:
    """Return which data was trained on and, if it is not the baseline's, how they differ."""
    now, baseline = comparison.now, comparison.baseline
    both = (now,) if comparison.same else (now, baseline)
    notes: list[str] = []
    hashes = {revision: _hash(revision, notes) for revision in both}
    figures: list[Table | Chart] = [_which(hashes)]
    lead = "The images that the networks were trained and tested on."
    if len(set(hashes.values())) == 1 and not comparison.same:
        lead += " They are the baseline's, byte by byte."
    elif "" not in hashes.values() and not comparison.same:
        lead += (
            " They are not the baseline's, so the two runs answer different questions. A distance "
            "is 0 between equal distributions and 1 between those with nothing in common; among "
            "many images, p is small for the slightest."
        )
        try:
            figures += _drift(now, baseline, notes)
        except (MissingError, InputError) as error:
            notes.append(str(error))
    return Section("data", "The data", lead, figures, notes)


def _hash(revision: Revision, notes: list[str]) -> str:
    try:
        return lockfile.read(revision).md5(FOLDER)
    except MissingError as missing:
        notes.append(str(missing))
        return ""


def _which(hashes: dict[Revision, str]) -> Table:
    rows = [
        (
            "This run" if place == 0 else "Baseline",
            Cell(_params(revision).get("folder") or "Fashion-MNIST", revision.title),
            md5 or "–",
        )
        for place, (revision, md5) in enumerate(hashes.items())
    ]
    return Table("Which data", ("", "Images", "MD5"), rows, text=True)


def _params(revision: Revision) -> dict[str, Any]:
    """Return `dataset` of a revision's params; nothing where it is not there."""
    try:
        values = revision.yaml("params.yaml")["dataset"]
    except (MissingError, KeyError, TypeError):
        return {}
    return values if isinstance(values, dict) else {}


def _drift(now: Revision, baseline: Revision, notes: list[str]) -> list[Table | Chart]:
    """Compare training images, and how sure the baseline's networks are of the new ones.

    Raises:
        MissingError: images are not at hand.
        InputError: they, or how the baseline split them, cannot be read.
    """
    with TemporaryDirectory() as scratch:
        above = Path(scratch)
        try:
            new = dataset.read(_fetch(now, above / "now"), "train")
            fetched = _fetch(baseline, above / "before")
            training, validation = dataset.read_split(fetched, _split(baseline))
        except InputError as error:
            where = str(error).replace(f"{above / 'now'}", FOLDER)
            raise InputError(where.replace(f"{above / 'before'}", FOLDER)) from None
        drift.check_same_kind(training, new)
        new = new[dataset.shuffled(len(new), "drift")]
        found = [drift.labels(training, new), *drift.pixels(training, new)]
        for model in MODELS:
            try:
                sure = _confidence(baseline, model, validation, new, above)
                found.append(replace(sure, measure=f"{TITLES[model]}'s confidence"))
            except (MissingError, InputError) as error:
                notes.append(str(error))
    return [_distances(found, len(training), len(new)), _labels(training, new, baseline.title)]


def _fetch(revision: Revision, folder: Path) -> Path:
    """Copy a revision's IDX files and classes to a folder of their own, or raise MissingError."""
    folder.mkdir()
    for file in FILES:
        (folder / file.name).write_bytes(revision.read(f"{FOLDER}/{file.name}"))
    with suppress(NoFileError):
        (folder / CLASSES_FILE).write_bytes(revision.read(f"{FOLDER}/{CLASSES_FILE}"))
    return folder


def _split(revision: Revision) -> Dataset:
    known = {key: each for key, each in _params(revision).items() if key in Dataset.model_fields}
    try:
        # The defaults of today need not be what that revision was split by.
        if {"validation_images", "split_seed"} <= known.keys():
            return Dataset.model_validate(known)
    except ValidationError:
        pass
    raise InputError(f"dataset in params.yaml of {revision.title} does not say how it was split")


def _confidence(
    revision: Revision, model: str, unseen: Images, new: Images, folder: Path
) -> drift.Drift:
    name = f"data/models/{model}.safetensors"
    path = folder / f"{model}.safetensors"
    path.write_bytes(revision.read(name))
    try:
        trained = weights.load(path, model)
    except InputError as error:
        raise InputError(str(error).replace(str(path), f"{name} of {revision.title}")) from None
    return drift.confidence(
        trained,
        unseen[:CONFIDENT_IMAGES],
        new[:CONFIDENT_IMAGES],
        prepare("auto", trained.precision),
        batch_size=100,
    )


def _distances(found: list[drift.Drift], before: int, now: int) -> Table:
    rows = [
        (
            each.measure.capitalize() if each.measure.islower() else each.measure,
            f"{each.training:.3f}",
            f"{each.new:.3f}",
            f"{each.distance:.3f}",
            "<\N{NO-BREAK SPACE}0.001" if each.p_value < 0.001 else f"{each.p_value:.3f}",
        )
        for each in found
    ]
    heads = ("Measure", "Baseline", "This run", "Distance", "p")
    return Table(f"{now:,} training images against the baseline's {before:,}", heads, rows)


def _labels(training: Images, new: Images, title: str) -> Chart:
    """Draw the share of each class in both."""
    shares = [
        images.labels.bincount(minlength=len(new.classes)) / len(images)
        for images in (new, training)
    ]
    rows = []
    for number, name in enumerate(new.classes):
        here, before = (float(share[number]) for share in shares)
        rows.append(
            (
                name,
                [
                    charts.Dot("This run", "train", here, tip=f"This run: {here:.1%}"),
                    charts.Dot("Baseline", "before", before, tip=f"{title}: {before:.1%}"),
                ],
            )
        )
    cells = [[name, *(f"{100 * dot.value:.1f}%" for dot in dots)] for name, dots in rows]
    return Chart(
        caption="Share of each class in the training images",
        label="Share of each class in the training images, this run's and the baseline's",
        svg=charts.dots(rows, "share", [0.0, *(dot.value for _, dots in rows for dot in dots)]),
        values=Table("Share of each class", ("", "This run", "Baseline"), cells),
        key=[("train", "this run"), ("before", title)],
    )
