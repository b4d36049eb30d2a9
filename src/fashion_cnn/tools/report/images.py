"""Sections of pictures: kernels, feature maps, Grad-CAM, mistakes."""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from PIL import Image, UnidentifiedImageError

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report.blocks import Gallery, Picture, Section, Table
from fashion_cnn.tools.report.compare import TITLES, Comparison
from fashion_cnn.tools.revision import MissingError, Revision

# Of which feature maps are shown: an easy image and a hard one.
SHOWN_IMAGES = 2
MISTAKES = {
    "confident_mistakes": "the most confident mistakes",
    "likely_mislabelled": "likeliest mislabelled",
}


def kernels(comparison: Comparison) -> Section:
    """Return the kernels of every convolution, before and after training."""
    lead = (
        "Every convolution before and after training, from the same seed: left the random start, "
        "right what training made of it. Red adds, blue subtracts. In LeNet's first layer look "
        "for edges, where red meets blue. Where both look alike, the difference stands beside them."
    )
    section = Section("kernels", "What they learned", lead, [])
    return _by_network(
        comparison,
        section,
        lambda revision, model: {"": revision.pictures(f"plots/kernels/{model}")},
        lambda model, path: f"Kernels of {path.stem} of {TITLES[model]}, before and after training",
    )


def feature_maps(comparison: Comparison) -> Section:
    """Return the feature maps, layer by layer, of the chosen images."""

    def by_image(revision: Revision, model: str) -> dict[str, list[str]]:
        found = revision.pictures(f"plots/feature_maps/{model}")
        folders = sorted({PurePosixPath(path).parent.name for path in found}, key=natural)
        return {
            f": test image {name}{_answer(comparison, model, name)}": [
                path for path in found if PurePosixPath(path).parent.name == name
            ]
            for name in folders[:SHOWN_IMAGES]
        }

    lead = (
        "What each layer makes of an image, in the network's own forward pass: first an outline "
        "that one still recognises, at last a few places that are on or off. A hard image lights "
        "up the channels of several classes."
    )
    section = _by_network(
        comparison,
        Section("feature-maps", "What each layer sees", lead, []),
        by_image,
        lambda model, path: (
            f"Output of {path.stem} of {TITLES[model]} for test image {path.parent.name}"
        ),
    )
    rows = []
    for model, title in TITLES.items():
        path = f"metrics/export_images/{model}.json"
        with suppress(MissingError):
            counted = comparison.now.numbers_in(path, model)
            if "dead_channels" in counted and "channels" in counted:
                numbers = counted["dead_channels"], counted["channels"], counted.get("images", 0)
                rows.append((title, *(f"{number:,}" for number in numbers)))
    if not rows:
        return section
    heads = ("Network", "Dead", "Channels", "Test images looked at")
    table = Table("Channels that are zero for every image", heads, rows)
    return replace(section, figures=[*section.figures, table])


def attention(comparison: Comparison) -> Section:
    """Return Grad-CAM of each network."""
    lead = (
        "Grad-CAM: bright is what spoke for the answer. Look whether that is the garment or its "
        "surroundings, and how coarse the map is: it has no more cells than the layer that it is "
        "read from."
    )
    return _by_network(
        comparison,
        Section("attention", "Where they look", lead, []),
        lambda _, model: {"": [f"plots/grad_cam/{model}.png"]},
        lambda model, _: f"Grad-CAM of {TITLES[model]} over the chosen images",
    )


def mistakes(comparison: Comparison) -> Section:
    """Return the galleries of mistakes."""
    lead = (
        "Where a network is most sure and wrong, and where the label itself may be: images whose "
        "label it finds least likely. Would you have known?"
    )
    return _by_network(
        comparison,
        Section("mistakes", "Where they fail", lead, []),
        lambda _, model: {"": [f"plots/evaluate/{model}/{name}.png" for name in MISTAKES]},
        lambda model, path: (
            f"{TITLES[model]}: {MISTAKES[path.stem]}, each with label, answer and probability"
        ),
        folded="likely_mislabelled",
    )


def _answer(comparison: Comparison, model: str, image: str) -> str:
    """Say what a test image is and what the network takes it for, if its predictions are here."""
    found = comparison.predictions.get(model)
    if found is None or not image.isdigit() or int(image) >= len(found.labels):
        return ""
    label, answer = found.labels[int(image)], found.answers[int(image)]
    sure = f"with {found.probabilities[int(image), answer]:.1%}"
    if label == answer:
        return f", {found.classes[label]}, recognised {sure}"
    return f", {found.classes[label]}, taken for {found.classes[answer]} {sure}"


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
    comparison: Comparison,
    section: Section,
    paths: Callable[[Revision, str], Mapping[str, Sequence[str]]],
    words: Callable[[str, PurePosixPath], str],
    folded: str = "",
) -> Section:
    """Return the section with galleries of each network, and a note for what is missing.

    Args:
        comparison: the baseline's pictures are shown too, where they are others.
        section: all but its figures.
        paths: returns a network's pictures, by what a caption adds to its name.
        words: returns what a picture shows.
        folded: the name of a picture that is folded; of layers, all but the first and the last.
    """
    galleries: list[Gallery] = []
    notes: list[str] = []
    order = _layers(comparison.now)
    for model, title in TITLES.items():
        shown: dict[str, bytes] = {}
        for revision, side in comparison.sides():
            try:
                found = paths(revision, model)
            except MissingError as missing:
                notes.append(str(missing))
                continue
            for caption, files in found.items():
                ranked = sorted(files, key=partial(_place, order.get(model, [])))
                ends = {*ranked[:1], *ranked[-1:]} if not folded else set(ranked)
                large: list[Picture] = []
                small: list[Picture] = []
                for path in ranked:
                    try:
                        content = revision.read(path)
                        if side and (content == shown.get(path) or path not in ends):
                            continue
                        picture = _picture(content, words(model, PurePosixPath(path)) + side, path)
                    except MissingError as missing:
                        notes.append(str(missing) if path in str(missing) else f"{path} {missing}")
                        continue
                    shown.setdefault(path, content)
                    wanted = path in ends and not (folded and folded in path)
                    (large if wanted else small).append(picture)
                if large or small:
                    galleries.append(Gallery(title + caption + side, large, small))
    return replace(section, figures=galleries, notes=notes)


def _picture(content: bytes, words: str, path: str) -> Picture:
    source, width, height = embed(content)
    return Picture(PurePosixPath(path).stem.replace("_", " "), words, source, width, height, path)


def _layers(revision: Revision) -> dict[str, list[str]]:
    """Return each network's layers in its own order."""
    found = {}
    for model in MODELS:
        with suppress(MissingError):
            found[model] = [row["name"] for row in revision.layers(model)]
    return found


def _place(names: Sequence[str], path: str) -> tuple[int, list[tuple[int, str]]]:
    """Return a key that sorts by the network's layers, and what is no layer after them."""
    name = PurePosixPath(path).name.removesuffix(".png")
    return (names.index(name) if name in names else len(names)), natural(name)
