"""Sections of pictures that the stages drew: kernels, maps, Grad-CAM, mistakes, confusion."""

from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from fashion_cnn.tools.report.blocks import Section, Table
from fashion_cnn.tools.report.comparison import TITLES, Comparison
from fashion_cnn.tools.report.galleries import by_network, natural
from fashion_cnn.tools.revision import MissingError, Revision

# Of which feature maps are shown: an easy image and a hard one.
SHOWN_IMAGES = 2
MISTAKES = {
    "confident_mistakes": "the most confident mistakes: would you have known?",
    "likely_mislabelled": "likeliest mislabelled: is the label right, or the answer?",
}


def kernels(comparison: Comparison) -> Section:
    """Return the kernels of every convolution, before and after training."""
    lead = (
        "Every convolution before and after training, from the same seed: left the random start, "
        "right what training made of it. Red adds, blue subtracts. Where both look alike, the "
        "difference stands beside them."
    )

    def words(_: Revision, model: str, path: PurePosixPath, first: bool) -> str:
        see = "it sees the image, and red beside blue is an edge that it looks for"
        see = see if first else "it combines the channels of the layer before"
        return f"Kernels of {path.stem} of {TITLES[model]}, before and after training: {see}"

    return by_network(
        comparison,
        Section("kernels", "What they learned", lead, []),
        lambda revision, model: {"": revision.pictures(f"plots/kernels/{model}")},
        words,
    )


def feature_maps(comparison: Comparison) -> Section:
    """Return the feature maps, layer by layer, of the chosen images."""

    def by_image(revision: Revision, model: str) -> dict[str, list[str]]:
        found = revision.pictures(f"plots/feature_maps/{model}")
        folders = sorted({PurePosixPath(path).parent.name for path in found}, key=natural)
        return {
            f": test image {name}{_answer(comparison, revision, model, name)}": [
                path for path in found if PurePosixPath(path).parent.name == name
            ]
            for name in folders[:SHOWN_IMAGES]
        }

    def words(_: Revision, model: str, path: PurePosixPath, first: bool) -> str:
        see = "outlines that one still recognises, each channel another kind of edge"
        see = see if first else "a few places that are on where a channel finds what it looks for"
        return f"{path.stem} of {TITLES[model]} for test image {path.parent.name}: {see}"

    lead = (
        "What each layer makes of an image, in the network's own forward pass. A hard image lights "
        "up the channels of several classes."
    )
    section = Section("feature-maps", "What each layer sees", lead, [])
    section = by_network(comparison, section, by_image, words)
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
        "Grad-CAM: bright is what spoke for the answer. The map has no more cells than the layer "
        "that it is read from."
    )
    return by_network(
        comparison,
        Section("attention", "Where they look", lead, []),
        lambda _, model: {"": [f"plots/grad_cam/{model}.png"]},
        lambda _, model, *__: (
            f"Grad-CAM of {TITLES[model]}: is it the garment that is bright, or what surrounds it?"
        ),
    )


def mistakes(comparison: Comparison) -> Section:
    """Return the galleries of mistakes."""
    lead = (
        "Where a network is most sure and wrong, and where the label itself may be: images whose "
        "label it finds least likely."
    )
    return by_network(
        comparison,
        Section("mistakes", "Where they fail", lead, []),
        lambda _, model: {"": [f"plots/evaluate/{model}/{name}.png" for name in MISTAKES]},
        lambda _, model, path, __: f"{TITLES[model]}, {MISTAKES[path.stem]}",
        folded="likely_mislabelled",
    )


def confusion(comparison: Comparison) -> Section:
    """Return what each class was taken for."""

    def words(revision: Revision, model: str, *_: object) -> str:
        table = revision.csv(f"plots/confusion/{model}.csv", ["actual", "predicted"])
        wrong = table[table["actual"] != table["predicted"]].value_counts()
        most = "no class is taken for another"
        if len(wrong):
            (actual, predicted), times = wrong.index[0], wrong.iloc[0]
            most = f"most often {actual} is taken for {predicted}, {times:,} times"
        return f"Confusion of {TITLES[model]}: {most}"

    lead = (
        "A row is what the image is, a column what the network says, in percent of the row. Off "
        "the diagonal are the classes that are taken for each other."
    )
    return by_network(
        comparison,
        Section("confusion", "What is taken for what", lead, []),
        lambda _, model: {"": [f"plots/evaluate/{model}/confusion_normalized.png"]},
        words,
        wide=False,
    )


def calibration(comparison: Comparison) -> Section:
    """Return accuracy against confidence."""
    lead = "Of the answers given with 90% confidence, 90% should be right."
    return by_network(
        comparison,
        Section("calibration", "How sure they are", lead, []),
        lambda _, model: {"": [f"plots/evaluate/{model}/reliability.png"]},
        lambda _, model, *__: (
            f"Accuracy of {TITLES[model]} by confidence: "
            "where a bar ends below the dashed line, it is too sure"
        ),
        wide=False,
    )


def _answer(comparison: Comparison, revision: Revision, model: str, image: str) -> str:
    """Say what a test image is and what a revision's network takes it for, if that is here."""
    now = revision is comparison.now
    table = (comparison.predictions if now else comparison.old_predictions).get(model)
    if table is None or not image.isdigit() or int(image) >= len(table):
        return ""
    row = table.iloc[int(image)]
    label, answer = row["label"], row["predicted"]
    found = "recognised" if label == answer else f"taken for {answer}"
    return f", {label}, {found} with {row[answer]:.1%}"
