"""How a network may be trained: what the networks share, and what is each one's own."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fashion_cnn.base.settings import Count, Section

Precision = Literal["auto", "bfloat16", "float16", "float32"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]

# What the networks' sections share but set to defaults of their own.
Device = Annotated[
    str,
    Field(
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto is CUDA if there is one, else MPS, else the CPU.",
    ),
]
ComputedIn = Annotated[
    Precision,
    Field(
        description="auto is bfloat16 where the processor computes it natively; else float16 on "
        "CUDA and float32 elsewhere."
    ),
]
ImageSize = Annotated[
    int,
    Field(ge=1, le=1024, description="Pixels per side; the images are resized to it bilinearly."),
]
Epochs = Annotated[int, Field(ge=1, le=100_000, description="Passes over the training images.")]
BatchSize = Annotated[int, Field(ge=1, le=60_000, description="Images per step.")]
LearningRate = Annotated[float, Field(gt=0, description="Step size at the peak of the schedule.")]
WeightDecay = Annotated[
    float, Field(ge=0, description="L2 penalty of sgd and adam; decoupled decay of adamw.")
]
EmaDecay = Annotated[
    Annotated[float, Field(gt=0, lt=1)] | None,
    Field(
        description="Decay per step of a moving average of the weights, which is then what is "
        "validated and kept; null keeps no average."
    ),
]
ClipNorm = Annotated[
    Annotated[float, Field(gt=0)] | None,
    Field(description="Maximum norm of all gradients together; null does not clip them."),
]
# Of a network's `build`, as params.yaml and the metadata of weights may give it.
Argument = Annotated[int | float, Field(ge=0, le=4096)]


class Augmentation(Section):
    """How each training image is changed at random, anew in each epoch."""

    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of a mirror image, left to right."""
    shift: Annotated[int, Field(ge=0, lt=28)] = 0
    """Maximum shift along each axis, in pixels."""
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a rectangle of 2% to 40% of the image is blacked out."""


Augmented = Annotated[Augmentation, Field(description="How training images are changed at random.")]


class Training(Section):
    """What the networks' trainings share; a network's own section may overrule each key."""

    train_images: Count | None = None
    """Train on only the first so many images of the shuffled training split; null for all."""
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    """torch.optim's SGD, Adam or AdamW."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of sgd; adam and adamw do not use it."""
    nesterov: bool = False
    """Whether sgd's momentum looks ahead; adam and adamw do not use it."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    """Course of the learning rate over the steps."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the steps over which the learning rate rises to its peak."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread over all classes."""
    clip_norm: ClipNorm = None
    ema_decay: EmaDecay = None
    augmentation: Augmented = Augmentation(flip=0.5, shift=1)
    keep: Literal["last", "best"] = "last"
    """Which epoch's weights are kept; best is the one of the highest validation accuracy."""
    patience: Count | None = None
    """Stop after so many epochs without a better one; null never stops early."""
    seed: Seed = 0
    """Decides the initial weights, the order of the images, augmentation and dropout."""
    device: Device = "auto"
    precision: ComputedIn = "auto"
    deterministic: bool = True
    """Whether CUDA may use only algorithms that give the same bytes on every run."""
    compile: bool = False
    """Whether torch.compile compiles the training step: resize, network, loss and counting."""


class Recipe(Training):
    """How a network is trained: its own keys, and what it shares with the others."""

    image_size: ImageSize = 28
    epochs: Epochs = 10
    batch_size: BatchSize = 128
    learning_rate: LearningRate = 0.002
    weight_decay: WeightDecay = 0.0

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of the network's `build`, but for those that the data gives."""
        return {"image_size": self.image_size}

    def first_weights(self) -> dict[str, str]:
        """Return the arguments of `build` that decide the weights before training."""
        return {}

    def learning_rate_of(self, parameter: str) -> float:
        """Return the peak learning rate of the network's parameter of this name."""
        return self.learning_rate

    def frozen(self, parameter: str, epoch: int) -> bool:
        """Return whether the network's parameter of this name does not change in `epoch`."""
        return False

    def extra_weight_copies(self) -> int:
        """Return how many tensors as large as the weights training keeps besides them.

        They are the optimizer's states, the moving average and the best epoch's weights; the
        gradients are not counted.
        """
        states = {"sgd": int(self.momentum > 0)}.get(self.optimizer, 2)
        return states + (self.ema_decay is not None) + (self.keep == "best")


class OwnNetwork(Recipe):
    """A network of your own: what is its own. Other keys are arguments of its `build`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Argument] = Field(init=False)

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of the network's `build`, but for those that the data gives."""
        return {"image_size": self.image_size, **self.__pydantic_extra__}


class LeNet(Recipe):
    """LeNet: what is its own."""

    epochs: Epochs = 40
    batch_size: BatchSize = 64
    learning_rate: LearningRate = 0.003
    weight_decay: WeightDecay = 0.05
    precision: ComputedIn = "float32"
    initialization: Literal["he", "torch"] = "he"
    """Initial weights by He et al. (2015), or the layers' own of torch, as in the tutorial."""

    def first_weights(self) -> dict[str, str]:
        """Return the arguments of `build` that decide the weights before training."""
        return {"initialization": self.initialization}


class VGG(Recipe):
    """The VGG-11 of reduced width: what is its own."""

    image_size: ImageSize = 64
    width_divisor: Literal[1, 2, 4, 8, 16, 32, 64] = 8
    """Every layer's width is divided by it; 1 is the full VGG-11."""
    epochs: Epochs = 18
    learning_rate: LearningRate = 0.003
    weight_decay: WeightDecay = 0.02
    ema_decay: EmaDecay = 0.998

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of the network's `build`, but for those that the data gives."""
        return {"image_size": self.image_size, "width_divisor": self.width_divisor}


class VGG11(Recipe):
    """torchvision's VGG-11: what is its own."""

    image_size: ImageSize = 32
    weights: Annotated[str, Field(min_length=1)] = "none"
    """none, imagenet, or the path of a safetensors state dict in data/pretrained/."""
    freeze_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs at the beginning in which the feature extractor does not change."""
    new_layers_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate of the replaced first and last layer; null for learning_rate."""
    epochs: Epochs = 3
    batch_size: BatchSize = 256
    learning_rate: LearningRate = 0.0007
    clip_norm: ClipNorm = 1.0
    augmentation: Augmented = Augmentation()

    def first_weights(self) -> dict[str, str]:
        """Return the arguments of `build` that decide the weights before training."""
        return {"weights": self.weights}

    def learning_rate_of(self, parameter: str) -> float:
        """Return the peak learning rate of the network's parameter of this name."""
        replaced = parameter.startswith(("features.0.", "classifier.6."))
        return (replaced and self.new_layers_rate) or self.learning_rate

    def frozen(self, parameter: str, epoch: int) -> bool:
        """Return whether the network's parameter of this name does not change in `epoch`."""
        return epoch <= self.freeze_epochs and parameter.startswith("features.")


# By model; any other network is an `OwnNetwork`.
RECIPES: dict[str, type[Recipe]] = {"lenet": LeNet, "vgg": VGG, "vgg11": VGG11}
