"""What a training step is: one function on every device; on CUDA, captured once and replayed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from fashion_cnn.core.compute import Compute, reseed
from fashion_cnn.dataset.images import Images, Transform, shuffled
from fashion_cnn.training.augmentation import DRAWS, augment, draw
from fashion_cnn.training.state import TrainingState

# Steps that run one kernel after the other before a CUDA graph is captured: libraries are loaded
# and the optimiser's states made. torch's documentation asks for 11 with several processes.
WARM_UP = 11

Outcome = tuple[list[Tensor], Tensor | None]


class Forward(nn.Module):
    """Images to losses and right answers: what torch.compile compiles."""

    def __init__(
        self, network: nn.Module, transform: Transform, compute: Compute, label_smoothing: float
    ) -> None:
        super().__init__()
        self.network, self.transform, self.compute = network, transform, compute
        self.label_smoothing = label_smoothing

    def forward(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses () and the number of right answers ().

        Args:
            pixels: (N, C, H, W) uint8.
            labels: (N,) int64.
        """
        # Autocast would resize in float32.
        inputs = self.transform(pixels, self.compute.image_dtype)
        with self.compute.autocast():
            logits = self.network(inputs).float()
        loss = F.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.label_smoothing
        )
        return loss, count_correct(logits, labels)


class Step:
    """The steps of a training, one a call, on tensors that stay where they are.

    What differs from step to step (images, augmentation, learning rates) is uploaded once per epoch
    and picked by a counter on the device, so that a CUDA graph of one step does every full batch's.
    An epoch's smaller last batch runs without it.
    """

    def __init__(
        self, state: TrainingState, transform: Transform, compute: Compute, images: Images
    ) -> None:
        """Prepare to train `state` on images on the compute device."""
        self.state, self.transform, self.compute, self.images = state, transform, compute, images
        batches = state.steps, state.recipe.batch_size
        device = images.labels.device
        self.order = torch.zeros(batches, dtype=torch.int64, device=device)
        self.draws = torch.zeros(*batches, DRAWS, device=device)
        self.lr = [group["lr"] for group in state.optimizer.param_groups]
        self.rates = torch.zeros(
            state.steps, len(self.lr), dtype=self.lr[0].dtype, device=self.lr[0].device
        )
        self.slots = torch.arange(len(state.losses), device=device)
        self.frozen: set[str] | None = None
        self._rebuild()

    def _rebuild(self) -> None:
        """Wrap and compile the network anew, for the parameters that are trained now."""
        state, recipe = self.state, self.state.recipe
        forward = Forward(state.network, self.transform, self.compute, recipe.label_smoothing)
        runner = state.processes.wrap(forward)
        self.runner = _compiled(runner) if recipe.compile else runner
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        # The last step's gradients, and their norm where it was clipped; and where the graph's are.
        self.outcome: Outcome = [], None
        self.recorded: Outcome = [], None

    @property
    def warm(self) -> bool:
        """Whether the steps have come to their speed."""
        return self.graph is not None if self.compute.device.type == "cuda" else self.calls > 0

    def begin_epoch(self) -> None:
        """Upload the epoch's order, augmentation and learning rates; freeze and thaw layers."""
        state, recipe, count = self.state, self.state.recipe, len(self.images)
        parameters = dict(state.network.named_parameters())
        frozen = {name for name in parameters if recipe.frozen(name, state.epoch)}
        if frozen != self.frozen:
            for name, parameter in parameters.items():
                parameter.requires_grad_(name not in frozen)
            self.frozen = frozen
            self._rebuild()
        order = shuffled(count, recipe.seed, "order", state.epoch)
        self.order.view(-1)[:count].copy_(order)
        if recipe.augmentation != type(recipe.augmentation)():
            self.draws.view(-1, DRAWS)[:count].copy_(draw(count, recipe.seed, state.epoch))
        self.rates.copy_(torch.tensor(state.rates, dtype=self.rates.dtype))

    def __call__(self) -> int:
        """Train one step, and return the number of images in the batches of all processes."""
        state, recipe = self.state, self.state.recipe
        done = state.step * recipe.batch_size
        size = min(recipe.batch_size, len(self.images) - done)
        seed = (recipe.seed, state.epoch, state.step, state.processes.rank)
        if size < recipe.batch_size or self.compute.device.type != "cuda" or self.calls < WARM_UP:
            reseed(self.compute.device, *seed)
            self.outcome = self.run(size)
        else:
            graph = self.graph = self.graph or self._captured(size)
            reseed(self.compute.device, *seed)
            graph.replay()
            self.outcome = self.recorded
        self.calls += 1
        state.step += 1
        state.pending += 1
        return size

    def run(self, size: int) -> Outcome:
        """Train on the `size` images that the device's counter points at, and move it on.

        Nothing that changes from step to step is read from Python here, and no value is read back.

        Returns:
            The gradients, and their norm () if the recipe clips it.
        """
        state, recipe, processes = self.state, self.state.recipe, self.state.processes
        step, slot = state.counts.split(1)
        index = processes.share(self.order.index_select(0, step)[0, :size])
        batch = self.images[index]
        draws = processes.share(self.draws.index_select(0, step)[0, :size])
        pixels = augment(batch.pixels, draws, recipe.augmentation)
        torch._foreach_copy_(self.lr, [*self.rates.index_select(0, step)[0].unbind()])
        loss, correct = self.runner(pixels, batch.labels)
        state.optimizer.zero_grad()
        # The mean over the images of all processes, whose gradients will be averaged.
        state.scaler.scale(loss * (processes.count / size)).backward()
        state.scaler.unscale_(state.optimizer)
        norm = None
        if recipe.clip_norm is not None:
            norm = clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.update_average()
        loss = loss.detach()
        state.sums += torch.stack([loss, correct])
        torch.where(self.slots == slot, loss / size, state.losses, out=state.losses)
        state.counts += 1
        return [p.grad for p in state.network.parameters() if p.grad is not None], norm

    def _captured(self, size: int) -> torch.cuda.CUDAGraph:
        """Record a step of `size` images, without running it."""
        graph = torch.cuda.CUDAGraph()
        # NCCL's own thread may go on asking its events during the capture.
        stream, mode = torch.cuda.current_stream(), "thread_local"
        with torch.cuda.graph(graph, stream=stream, capture_error_mode=mode):
            self.recorded = self.run(size)
        return graph

    def gradient_norm(self) -> float:
        """Return the norm of the last step's gradients, before they were clipped."""
        gradients, norm = self.outcome
        return float(get_total_norm(gradients) if norm is None else norm)


def _compiled(module: nn.Module) -> nn.Module:
    """Return a module that is compiled at its first call."""
    # `prepare` has asked for the same, but without importing the compiler, whom this tells too.
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(
        torch.are_deterministic_algorithms_enabled(), warn_only=warn_only
    )
    return cast(nn.Module, torch.compile(module, dynamic=False))


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many rows of logits (N, classes) are highest at their label, () float32."""
    return (logits.argmax(dim=1) == labels).sum().float()


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Work on a CUDA stream of its own inside the block: the default one cannot be captured."""
    if device.type != "cuda":
        yield
        return
    before, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        yield
    before.wait_stream(stream)
