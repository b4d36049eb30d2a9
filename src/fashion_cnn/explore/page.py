"""The page's one file: style, scripts and contents in the template."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from torch import Tensor

from fashion_cnn.dataset.images import Images
from fashion_cnn.explore.contents import Answers, collect, fits
from fashion_cnn.explore.packing import Packed
from fashion_cnn.trained.weights import Trained

TEMPLATES = Path(__file__).parent / "templates"
# In this order: a script may use what stands in one before it.
SCRIPTS = ("engine", "explain", "draw", "sum", "input", "why", "lessons", "main")
MAX_BYTES = 6_000_000
# Test images on the page, from the wanted number down to one that fits.
COUNTS = (2400, 2000, 1600, 1200, 800)

NOTE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Touch the network</title>
<h1>Touch the network</h1>
<p>This page is for grey images of 28x28 pixels and small networks: {reason}.</p></html>
"""


def write_page(
    networks: Mapping[str, Trained],
    epochs: tuple[Mapping[str, Any], Mapping[str, Tensor]],
    images: Images,
) -> str:
    """Return the page, with as many test images as fit into it.

    Args:
        networks: by model.
        epochs: the description and the tensors of LeNet's epochs.
        images: the test images.
    """
    if (images.kind.channels, images.kind.size) != (1, (28, 28)):
        return NOTE.format(reason=f"these are {images.kind.describe()}")
    answers = {model: Answers(each, images) for model, each in networks.items() if fits(each)}
    if not answers:
        return NOTE.format(reason="these networks have more than 5 MB of weights each")
    for count in COUNTS:
        html = render(*collect(networks, answers, epochs, images, count))
        if len(html.encode()) <= MAX_BYTES:
            break
    return html


def render(contents: Mapping[str, Any], packed: Packed) -> str:
    """Return the HTML of a page that loads nothing."""
    scripts = [(TEMPLATES / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return Template((TEMPLATES / "page.html").read_text("utf-8")).substitute(
        style=(TEMPLATES / "page.css").read_text("utf-8"),
        script="\n".join(scripts),
        contents=json.dumps(contents, separators=(",", ":")).replace("<", "\\u003c"),
        packed=packed.text(),
    )
