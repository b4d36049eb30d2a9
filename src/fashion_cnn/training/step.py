"""One training step: forward, backward, update."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from fashion_cnn.base.compute import Compute
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.training.distributed import ALONE, Processes
from fashion_cnn.training.state import TrainingState


def train_step(
    state: TrainingState,
    runner: nn.Module,
    batch: Images,
    size: int,
    transform: Transform,
    compute: Compute,
    processes: Processes = ALONE,
) -> Tensor | None:
    """Train one step and count it in `state`.

    Args:
        state: of the training.
        runner: `state.network`, or a compiled or distributed wrapper of it.
        batch: this process's images, on its device.
        size: the number of images in the batches of all processes.
        transform: from pixels to inputs.
        compute: where, and in what type.
        processes: that train the network together.

    Returns:
        The norm of the gradients (), if the recipe clips it.
    """
    recipe, norm = state.recipe, None
    with compute.autocast():
        logits = runner(transform(batch.pixels)).float()
    loss = F.cross_entropy(
        logits, batch.labels, reduction="sum", label_smoothing=recipe.label_smoothing
    )
    state.optimizer.zero_grad()
    # The mean over the images of all processes, whose gradients will be averaged.
    (loss * (processes.count / size)).backward()
    if recipe.clip_norm is not None:
        norm = clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.schedule.step()
    if state.average:
        state.average.update_parameters(state.network)
    sums = torch.stack([loss.detach(), count_correct(logits, batch.labels)])
    state.sums += processes.total(sums)
    state.losses.append(sums[0] / size)
    state.step += 1
    return norm


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many of logits (N, 10) predict their label, as float32 ()."""
    return (logits.argmax(dim=1) == labels).sum().float()
