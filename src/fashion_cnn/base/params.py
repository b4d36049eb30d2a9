"""What params.yaml may hold: every tunable of the pipeline, by section."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.base.settings import Count, Section, check, parse

Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
Precision = Literal["auto", "bfloat16", "float32"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


LayerKind = Literal["convolution", "activation", "pool"]
Colors = Literal["diverging", "grey"]
OnePerClass = Literal["one_per_class"]
TestImage = Annotated[int, Field(ge=0, lt=10_000)]


class Dataset(Section):
    """How images are scaled and which of the 60,000 are kept for validation."""

    folder: Annotated[str, Field(min_length=1)] | None = None
    """A folder of four IDX files in data/own/, in the place of Fashion-MNIST; null for that."""
    mean: float
    """Subtracted from each pixel, after scaling to [0, 1]."""
    standard_deviation: Annotated[float, Field(gt=0)]
    """Divides each pixel, after the mean is subtracted."""
    validation_images: Annotated[int, Field(ge=1, lt=60_000)]
    """Training images kept apart to validate on."""
    split_seed: Seed
    """Chooses the validation images."""


class Budget(Section):
    """What a network and its training may take; null or absent for any amount."""

    parameters: Count | None = None
    """Weights and biases."""
    memory_gigabytes: Annotated[float, Field(gt=0)] | None = None
    """Estimated peak of training, in 10^9 bytes."""
    petaflops: Annotated[float, Field(gt=0)] | None = None
    """Estimated floating-point operations of the whole training, in 10^15."""


class Augmentation(Section):
    """How each training image is changed at random, anew in each epoch."""

    flip: Annotated[float, Field(ge=0, le=1)]
    """Probability of a mirror image, left to right."""
    shift: Annotated[int, Field(ge=0, lt=28)]
    """The most pixels an image moves along each axis."""
    erase: Annotated[float, Field(ge=0, le=1)]
    """Probability that a rectangle of 2% to 40% of the image is blacked out."""


class Recipe(Section):
    """How a network is trained."""

    image_size: Annotated[int, Field(ge=1, le=1024)]
    """Pixels a side; the 28-pixel images are resized bilinearly."""
    train_images: Count | None
    """Images to train on, the first of the shuffled training split; null for all."""
    epochs: Count
    """Passes over the training images."""
    batch_size: Count
    """Images a step."""
    optimizer: Literal["sgd", "adam", "adamw"]
    """torch.optim's SGD, Adam or AdamW."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Step size; the peak of the schedule."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Momentum of sgd; adam and adamw do not use it."""
    nesterov: bool
    """Whether sgd's momentum looks ahead; adam and adamw do not use it."""
    weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty of sgd and adam, decoupled decay of adamw."""
    schedule: Literal["constant", "cosine", "one_cycle"]
    """Course of the learning rate over the steps."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps over which the learning rate rises to its peak."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    """Share of the target that is spread over all classes."""
    clip_norm: Annotated[float, Field(gt=0)] | None
    """The most that the norm of all gradients may be; null for any."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None
    """Decay a step of the moving average of the weights that is validated and kept; null for the
    weights themselves."""
    augmentation: Augmentation
    """How training images are changed at random."""
    keep: Literal["last", "best"]
    """Which epoch's weights are kept; best is of the highest validation accuracy."""
    patience: Count | None
    """Stop after so many epochs without a better one; null never stops early."""
    seed: Seed
    """Initial weights, order and dropout."""
    device: Device
    """auto is CUDA, else MPS, else the CPU."""
    precision: Precision
    """auto is bfloat16 where the processor computes it natively, float32 elsewhere."""
    deterministic: bool
    """Whether CUDA may use only algorithms that give the same bytes on every run."""
    compile: bool
    """Whether torch.compile makes the training step."""
    log_interval: Count
    """Steps between two points of TensorBoard's training loss."""
    budget: Budget
    """Over it, the pipeline stops before anything is trained."""

    def architecture(self) -> dict[str, int]:
        """Return the arguments of the network's `build`."""
        return {"image_size": self.image_size}

    def learning_rate_of(self, parameter: str) -> float:
        """Return the peak learning rate of the network's parameter of this name."""
        return self.learning_rate

    def frozen(self, parameter: str, epoch: int) -> bool:
        """Return whether the network's parameter of this name stays as it is in `epoch`."""
        return False

    def extra_weight_copies(self) -> int:
        """Return how many tensors as large as the weights training keeps besides them.

        They are the optimizer's states, the moving average and the best epoch's weights; the
        gradients are not counted.
        """
        states = {"sgd": int(self.momentum > 0)}.get(self.optimizer, 2)
        return states + (self.ema_decay is not None) + (self.keep == "best")


class LeNet(Recipe):
    """LeNet and its training."""


class VGG(Recipe):
    """The VGG-11 of reduced width and its training."""

    width_divisor: Literal[1, 2, 4, 8, 16, 32, 64]
    """Divides every width; 1 is the full VGG-11."""

    def architecture(self) -> dict[str, int]:
        """Return the arguments of the network's `build`."""
        return {"image_size": self.image_size, "width_divisor": self.width_divisor}


class VGG11(Recipe):
    """torchvision's VGG-11 and its fine-tuning."""

    weights: Annotated[str, Field(min_length=1)]
    """none, imagenet, or the path of a state dict in safetensors format in data/pretrained/."""
    freeze_epochs: Annotated[int, Field(ge=0)]
    """Epochs, from the first, in which the feature extractor stays as it is."""
    new_layers_rate: Annotated[float, Field(gt=0)] | None
    """Peak learning rate of the replaced first and last layer; null for learning_rate."""

    def learning_rate_of(self, parameter: str) -> float:
        """Return the peak learning rate of the network's parameter of this name."""
        replaced = parameter.startswith(("features.0.", "classifier.6."))
        return (replaced and self.new_layers_rate) or self.learning_rate

    def frozen(self, parameter: str, epoch: int) -> bool:
        """Return whether the network's parameter of this name stays as it is in `epoch`."""
        return epoch <= self.freeze_epochs and parameter.startswith("features.")


def _check_images(value: object) -> object:
    """Say in one line what pydantic would say once for each part of the union."""
    indices = value if isinstance(value, list) else []
    valid = [type(index) is int and 0 <= index < 10_000 for index in indices]
    if value != "one_per_class" and not (valid and all(valid)):
        raise PydanticCustomError("images", "one_per_class or a list of indices from 0 to 9999")
    return value


class ExportImages(Section):
    """Pictures of kernels, feature maps and where the network looks."""

    images: Annotated[OnePerClass | list[TestImage], BeforeValidator(_check_images)]
    """Test images by index, or one_per_class: the first of each class."""
    maps_after: Annotated[list[LayerKind], Field(min_length=1)]
    """Layers whose output is drawn."""
    max_kernels: Count
    """Kernels drawn of a layer, at the most."""
    kernel_channel: Literal["strongest", "first"]
    """Input channel drawn of a kernel; strongest is that of the largest L2 norm."""
    kernel_colors: Colors
    """diverging is red above and blue below a white 0."""
    max_maps: Count
    """Feature maps drawn of a layer, at the most."""
    map_colors: Colors
    """diverging is red above and blue below a white 0."""
    dead_channel_images: Annotated[int, Field(ge=1, le=10_000)]
    """Test images, the first of the file, that dead channels are zero for."""
    grad_cam_size: Count
    """Grad-CAM reads the last convolution whose maps have at least as many pixels a side."""
    device: Device
    """auto is CUDA, else MPS, else the CPU."""


class Evaluate(Section):
    """Evaluation on the test set."""

    test_images: Annotated[int, Field(ge=1, le=10_000)] | None
    """Test images to evaluate on, the first of the file; null for all."""
    batch_size: Count
    """Images a batch."""
    device: Device
    """auto is CUDA, else MPS, else the CPU."""
    precision: Precision
    """auto is bfloat16 where the processor computes it natively, float32 elsewhere."""


class Params(Section):
    """The whole of params.yaml."""

    dataset: Dataset
    lenet: LeNet
    vgg: VGG
    vgg11: VGG11
    export_images: ExportImages
    evaluate: Evaluate


def load(path: Path | None = None) -> Params:
    """Read and check a params file.

    Args:
        path: the file; by default the repository's params.yaml.

    Raises:
        InputError: a line for every fault, naming the key, what was expected and what came.
    """
    path = path or root() / "params.yaml"
    return check(Params, parse(path), path.name, _conflicts)


def replace(params: Params, model: str, **changes: object) -> Params:
    """Return the same params but for `changes` to a model's recipe, checked alike."""
    values = params.model_dump()
    values[model] |= changes
    return check(Params, values, "the command line", _conflicts)


def schema() -> str:
    """Return the JSON schema of params.yaml, as the text of a file."""
    return json.dumps(Params.model_json_schema(), indent=2) + "\n"


def _conflicts(params: Params) -> list[str]:
    """Return a line for each value that another value rules out."""
    kept = params.dataset.validation_images
    faults = [
        f"{model}.train_images: expected at most the {60_000 - kept} images that "
        f"dataset.validation_images leaves, got {recipe.train_images}"
        for model in MODELS
        if ((recipe := getattr(params, model)).train_images or 0) > 60_000 - kept
    ]
    faults += [
        f"{model}.nesterov: expected false where {model}.momentum is 0, got true"
        for model in MODELS
        if (recipe := getattr(params, model)).nesterov and not recipe.momentum
    ]
    return faults
