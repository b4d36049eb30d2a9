"""Pictures of a revision, embedded: galleries of each network, and of the baseline beside it."""

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
from fashion_cnn.tools.report.blocks import Gallery, Picture, Section
from fashion_cnn.tools.report.comparison import TITLES, Comparison
from fashion_cnn.tools.revision import MissingError, Revision


def by_network(
    comparison: Comparison,
    section: Section,
    paths: Callable[[Revision, str], Mapping[str, Sequence[str]]],
    words: Callable[[Revision, str, PurePosixPath, bool], str],
    *,
    folded: str = "",
    wide: bool = True,
) -> Section:
    """Return the section with galleries of each network, and a note for what is missing.

    Args:
        comparison: the baseline's pictures are shown too, where they are others.
        section: all but its figures.
        paths: returns a network's pictures, by what a caption adds to its name.
        words: returns what a picture shows, and what to see in it; of the first one or not.
        folded: the name of a picture that is folded; of layers, all but the first and the last.
        wide: whether a picture takes the whole width.
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
                        about = words(revision, model, PurePosixPath(path), path == ranked[0])
                        picture = Picture(about + side, *embed(content, path), path)
                    except MissingError as missing:
                        notes.append(str(missing))
                        continue
                    shown.setdefault(path, content)
                    wanted = path in ends and not (folded and folded in path)
                    (large if wanted else small).append(picture)
                if large or small:
                    galleries.append(Gallery(title + caption + side, large, small, wide))
    return replace(section, figures=galleries, notes=notes)


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def embed(content: bytes, path: str) -> tuple[str, int, int]:
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
        raise MissingError(f"{path} is no image: {error}") from None
    small = min((packed.getvalue(), "webp"), (content, "png"), key=lambda kind: len(kind[0]))
    return f"data:image/{small[1]};base64,{base64.b64encode(small[0]).decode()}", width, height


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
