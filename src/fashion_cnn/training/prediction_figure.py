"""A figure of predictions against actual labels."""

from matplotlib.figure import Figure
from torch import Tensor

from fashion_cnn.dataset.images import CLASSES, Images


def draw_predictions(images: Images, logits: Tensor) -> Figure:
    """Draw images in a row, each titled with predicted class, its probability and true label.

    Args:
        images: N images.
        logits: (N, 10).

    Returns:
        The figure; the title of a right prediction is green, of a wrong one red.
    """
    probabilities, predicted = logits.softmax(dim=1).cpu().max(dim=1)
    figure = Figure(figsize=(1.6 * len(images), 2.3), layout="constrained")
    for index, axes in enumerate(figure.subplots(1, len(images), squeeze=False)[0]):
        guess, label = int(predicted[index]), int(images.labels[index])
        axes.imshow(images.pixels[index, 0].cpu().numpy(), cmap="gray")
        axes.set_axis_off()
        axes.set_title(
            f"{CLASSES[guess]}\n{probabilities[index]:.1%}\n(label: {CLASSES[label]})",
            color="green" if guess == label else "red",
            fontsize=8,
        )
    return figure
