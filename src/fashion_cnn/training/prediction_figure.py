"""A figure of predictions against actual labels."""

import matplotlib
from matplotlib.figure import Figure
from torch import Tensor

from fashion_cnn.dataset.images import Images, displayed

# A class may have a name such as $5 to $10, which is no formula.
matplotlib.rcParams["text.parse_math"] = False


def draw_predictions(images: Images, logits: Tensor) -> Figure:
    """Draw images in a row, each titled with predicted class, its probability and true label.

    Args:
        images: N images.
        logits: (N, classes).

    Returns:
        The figure; the title of a right prediction is green, of a wrong one red.
    """
    names = images.classes
    probabilities, predicted = logits.softmax(dim=1).cpu().max(dim=1)
    figure = Figure(figsize=(1.6 * len(images), 2.3), layout="constrained")
    for index, axes in enumerate(figure.subplots(1, len(images), squeeze=False)[0]):
        guess, label = int(predicted[index]), int(images.labels[index])
        axes.imshow(displayed(images.pixels[index]), cmap="gray")
        axes.set_axis_off()
        axes.set_title(
            f"{names[guess]}\n{probabilities[index]:.1%}\n(label: {names[label]})",
            color="green" if guess == label else "red",
            fontsize=8,
        )
    return figure
