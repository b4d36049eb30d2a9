"""Sections of pictures: kernels, feature maps, Grad-CAM, mistakes."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from PIL import Image, UnidentifiedImageError

from fashion_cnn.tools.report.blocks import Gallery, Picture, Section, Table
from fashion_cnn.tools.report.compare import TITLES
from fashion_cnn.tools.report.revision import MissingError, Revision

MISTAKES = {
    "confident_mistakes": "the most confident mistakes",
    "likely_mislabelled": "likeliest mislabelled",
}


def kernels(revision: Revision) -> Section:
    """Return the kernels of every convolution, before and after training."""
    return _by_network(
        revision,
        Section(
            "kernels",
            "What the kernels became",
            "Every convolution before and after training, from the same seed.",
            [],
        ),
        lambda model: revision.pictures(f"plots/kernels/{model}"),
        lambda model, path: (
            path.stem,
            f"Kernels of {path.stem} of {TITLES[model]}, before and after training",
        ),
    )


def feature_maps(revision: Revision) -> Section:
    """Return the feature maps, layer by layer, of the first of the chosen images."""

    def chosen(model: str) -> list[str]:
        found = revision.pictures(f"plots/feature_maps/{model}")
        first = min({str(PurePosixPath(path).parent) for path in found}, key=natural)
        return [path for path in found if str(PurePosixPath(path).parent) == first]

    def words(model: str, path: PurePosixPath) -> tuple[str, str]:
        return path.stem, f"Output of {path.stem} of {TITLES[model]} for the chosen image"

    lead = (
        "What each layer makes of one image, from the first to the last, in the network's own "
        "forward pass."
    )
    section = Section("feature-maps", "What each layer sees", lead, [])
    section = _by_network(revision, section, chosen, words, large=True)
    rows = []
    for model, title in TITLES.items():
        counted = revision.metrics(f"metrics/export_images/{model}.json")
        if "dead_channels" in counted and "channels" in counted:
            rows.append(
                (
                    title,
                    f"{counted['dead_channels']:,}",
                    f"{counted['channels']:,}",
                    f"{counted.get('images', 0):,}",
                )
            )
    if not rows:
        return section
    heads = ("Network", "Dead", "Channels", "Test images looked at")
    table = Table("Channels that are zero for every image", heads, rows)
    return replace(section, figures=[table, *section.figures])


def attention(revision: Revision) -> Section:
    """Return Grad-CAM of each network."""
    lead = "Grad-CAM: the parts of the image that spoke for the class."
    section = Section("attention", "Where they looked", lead, [])
    return _by_network(
        revision,
        section,
        lambda model: [f"plots/grad_cam/{model}.png"],
        lambda model, _: ("Grad-CAM", f"Grad-CAM of {TITLES[model]} over the chosen images"),
        large=True,
    )


def mistakes(revision: Revision) -> Section:
    """Return the galleries of mistakes."""
    lead = (
        "Where a network is most sure and wrong, and where the label itself may be: images whose "
        "label it finds least likely."
    )
    section = Section("mistakes", "Where they fail", lead, [])
    return _by_network(
        revision,
        section,
        lambda model: [f"plots/evaluate/{model}/{name}.png" for name in MISTAKES],
        lambda model, path: (
            MISTAKES[path.stem].capitalize(),
            f"{TITLES[model]}: {MISTAKES[path.stem]}, each with label, answer and probability",
        ),
        large=True,
    )


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def embed(content: bytes) -> tuple[str, int, int]:
    """Return an image as the address of its data, and its size in pixels.

    As WebP, without loss and a third smaller than PNG.

    Raises:
        MissingError: it is no image.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            packed = io.BytesIO()
            image.convert("RGB").save(packed, "WEBP", lossless=True, quality=20, method=1)
    except (UnidentifiedImageError, OSError) as error:
        raise MissingError(f"is no image: {error}") from None
    small = min((packed.getvalue(), "webp"), (content, "png"), key=lambda kind: len(kind[0]))
    return f"data:image/{small[1]};base64,{base64.b64encode(small[0]).decode()}", width, height


def _by_network(
    revision: Revision,
    section: Section,
    paths: Callable[[str], Sequence[str]],
    words: Callable[[str, PurePosixPath], tuple[str, str]],
    *,
    large: bool = False,
) -> Section:
    """Return the section with a gallery a network, and a note for what is missing."""
    galleries, notes = [], []
    order = _layers(revision)
    for model in TITLES:
        pictures = []
        try:
            found = sorted(paths(model), key=partial(_place, order.get(model, [])))
        except MissingError as missing:
            notes.append(str(missing))
            continue
        for path in found:
            try:
                source, width, height = embed(revision.read(path))
            except MissingError as missing:
                notes.append(str(missing) if path in str(missing) else f"{path} {missing}")
                continue
            title, alt = words(model, PurePosixPath(path))
            pictures.append(Picture(title, alt, source, width, height, path))
        if pictures:
            galleries.append(Gallery(TITLES[model], pictures, large))
    return Section(section.name, section.title, section.lead, galleries, notes)


def _layers(revision: Revision) -> dict[str, list[str]]:
    """Return each network's layers in its own order."""
    try:
        table = revision.csv("plots/shapes.csv", ["model", "name"])
    except MissingError:
        return {}
    return {str(model): list(rows) for model, rows in table.groupby("model")["name"]}


def _place(names: Sequence[str], path: str) -> tuple[int, list[tuple[int, str]]]:
    """Return a key that sorts by the network's layers, and what is no layer after them."""
    name = PurePosixPath(path).name.removesuffix(".png")
    return (names.index(name) if name in names else len(names)), natural(name)
