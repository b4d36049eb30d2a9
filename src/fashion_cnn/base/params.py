"""What params.yaml may hold: every tunable of the pipeline, with its range, meaning and default."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.base.recipes import (
    RECIPES,
    Device,
    ImageSize,
    OwnNetwork,
    Recipe,
    Seed,
    Training,
)
from fashion_cnn.base.settings import Count, Section, check, merged, parse, with_keys

LayerKind = Literal["convolution", "activation", "pool"]
Colors = Literal["diverging", "grey"]
# What few people set is in params.yaml only where they do: each value there is a column of
# DVC's table.
RARE = {
    "training": ("momentum", "nesterov", "clip_norm", "patience", "compile"),
    "lenet": ("initialization",),
    "vgg11": ("new_layers_rate",),
}
OnePerClass = Literal["one_per_class"]
TestImage = Annotated[int, Field(ge=0, lt=10_000)]


class Pictures(Section):
    """How a folder of pictures becomes a data set; IDX files are taken as they are."""

    fit: Literal["fit", "crop"] = "fit"
    """How a picture becomes a square: fit fills it up, crop cuts off what is longer."""
    background: Literal["black", "white", "edge"] = "black"
    """What fit fills up with; edge repeats the outermost pixels. Transparent pixels are white with
    white, else black."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of each class to test on, where the folder has no train/ and test/."""
    seed: Seed = 0
    """Decides which pictures those are."""
    unreadable: Annotated[int, Field(ge=0)] = 0
    """Leave out at most so many files that can't be read; more stop the stage."""


class Dataset(Section):
    """Which images, how they are scaled, and which of them are kept for validation."""

    folder: Annotated[str, Field(min_length=1)] | None = None
    """A folder in data/own/ to use instead of Fashion-MNIST: pictures in a folder per class, or
    four IDX files."""
    image_size: ImageSize | None = None
    """Pixels per side of the images made from a folder of pictures; null for 28."""
    pictures: Annotated[
        Pictures,
        BeforeValidator(
            lambda value: Pictures() if value is None else value,
            json_schema_input_type=Pictures | None,
        ),
    ] = Pictures()
    """How a folder of pictures becomes a data set."""
    mean: float = 0.5
    """Subtracted from each pixel, after scaling to [0, 1]."""
    standard_deviation: Annotated[float, Field(gt=0)] = 0.5
    """Divides each pixel, after the mean is subtracted."""
    validation_images: Annotated[int, Field(ge=1, lt=60_000)] = 5_000
    """Training images that are kept to validate on."""
    split_seed: Seed = 0
    """Decides which images are kept to validate on."""


class Budget(Section):
    """The most that a network and its training may take; null for any amount."""

    parameters: Count | None = None
    """Weights and biases."""
    memory_gigabytes: Annotated[float, Field(gt=0)] | None = None
    """Estimated peak memory of training, in 10^9 bytes."""
    petaflops: Annotated[float, Field(gt=0)] | None = None
    """Estimated floating-point operations of the whole training, in 10^15."""


class Budgets(Budget):
    """The budget of every network; a network's own subsection may overrule each key."""


class TensorBoard(Section):
    """What TensorBoard shows of a training; it changes no result."""

    log_interval: Count = 20
    """Steps between two points of the training loss."""


def _check_images(value: object) -> object:
    """Replace pydantic's errors, one for each member of the union, by a single one."""
    indices = value if isinstance(value, list) else []
    valid = [type(index) is int and 0 <= index < 10_000 for index in indices]
    if value != "one_per_class" and not (valid and all(valid)):
        raise PydanticCustomError("images", "one_per_class or a list of indices from 0 to 9999")
    return value


class ExportImages(Section):
    """Pictures of kernels, feature maps and where the network looks."""

    images: Annotated[OnePerClass | list[TestImage], BeforeValidator(_check_images)] = Field(
        default=[0, 17]
    )
    """Test images by index, or one_per_class: the first of each class."""
    maps_after: Annotated[list[LayerKind], Field(min_length=1)] = Field(
        default=["convolution", "activation", "pool"]
    )
    """Kinds of layers whose output is drawn."""
    max_kernels: Count = 64
    """Maximum number of kernels drawn per layer."""
    kernel_channel: Literal["strongest", "first"] = "strongest"
    """Input channel of a kernel that is drawn; strongest is the one of the largest L2 norm."""
    kernel_colors: Colors = "diverging"
    """diverging is red above and blue below a white 0."""
    max_maps: Count = 64
    """Maximum number of feature maps drawn per layer."""
    map_colors: Colors = "diverging"
    """diverging is red above and blue below a white 0."""
    dead_channel_images: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """A channel that is zero for the first so many test images counts as dead."""
    grad_cam_size: Count = 4
    """Grad-CAM reads the last convolution whose maps have at least so many pixels per side."""
    device: Device = "auto"


class Evaluate(Section):
    """Evaluation on the test set."""

    test_images: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Evaluate on only the first so many test images; null for all."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Images per batch."""
    device: Device = "auto"


class Params(Section):
    """The whole of params.yaml."""

    dataset: Dataset = Dataset()
    training: Training = Training()
    budget: Budgets = Budgets()
    tensorboard: TensorBoard = TensorBoard()
    export_images: ExportImages = ExportImages()
    evaluate: Evaluate = Evaluate()

    if TYPE_CHECKING:  # the networks' sections

        def __getattr__(self, model: str) -> Any: ...

    def recipe(self, model: str) -> Recipe:
        """Return how a model is trained, with what it shares with the others."""
        return cast(Recipe, getattr(self, model))

    def budget_of(self, model: str) -> Budget:
        """Return a model's budget: the one of every network where its own says nothing."""
        own: Budget = getattr(self.budget, model)
        shared = self.budget.model_dump(include=set(Budget.model_fields))
        return Budget.model_validate(shared | own.model_dump(exclude_unset=True))


def _whole_type() -> type[Params]:
    if taken := {*MODELS} & {*Params.model_fields, *Budget.model_fields}:
        raise InputError(
            f"src/fashion_cnn/models/{min(taken)}.py: a section or key of params.yaml has this "
            "name already: rename the file"
        )
    budgets = with_keys(Budgets, **dict.fromkeys(MODELS, (Budget, Budget())))
    recipes = {model: RECIPES.get(model, OwnNetwork) for model in MODELS}
    sections = {model: (recipe, recipe()) for model, recipe in recipes.items()}
    return with_keys(Params, budget=(budgets, budgets()), **sections)


WHOLE = _whole_type()
"""The type of params.yaml: `Params`, with a section and a budget for each network."""


def load(path: Path | None = None) -> Params:
    """Read and check a params file.

    Args:
        path: the file; by default the repository's params.yaml.

    Raises:
        InputError: one line per fault, naming the key, what was expected and what came.
    """
    path = path or root() / "params.yaml"
    return parse_params(parse(path), path.name)


def parse_params(written: Mapping[str, Any], source: str) -> Params:
    """Check the values of a params file, and fill in what each network shares with the others.

    Args:
        written: nested, as in the file.
        source: names the file in errors.

    Raises:
        InputError: one line per fault, naming the key, what was expected and what came.
    """
    return check(
        WHOLE,
        whole(written),
        source,
        written=written,
        missing=_missing(WHOLE, written, ""),
        conflicts=lambda params: _conflicts(params, written),
    )


def whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a params file's values with the keys of `training` in each network's section."""
    shared = values.get("training")
    return {
        name: merged(shared, section) if name in MODELS and isinstance(shared, dict) else section
        for name, section in values.items()
    }


def replace(params: Params, section: str, **changes: object) -> Params:
    """Return the same params but for `changes` to a section, checked alike."""
    values = params.model_dump()
    values[section] |= changes
    return check(
        WHOLE, values, "the command line", conflicts=lambda params: _conflicts(params, values)
    )


def schema() -> str:
    """Return the JSON schema of params.yaml, as the text of a file."""
    document = WHOLE.model_json_schema()
    sections = {"Params": document} | document["$defs"]
    for name, section in sections.items():
        section["required"] = [key for key in section["properties"] if not _optional(name, key)]
    return json.dumps(document, indent=2) + "\n"


def _optional(section: str, key: str) -> bool:
    """Whether a key may be absent: what is rare, what a network shares, and its own budget."""
    kinds: list[type[Recipe]] = [OwnNetwork, *RECIPES.values()]
    if section in {kind.__name__ for kind in kinds}:
        return key in Training.model_fields or key in RARE.get(section.lower(), ())
    if section == "Training":
        return key in RARE["training"]
    optional = {"Budget", "Augmentation", "Pictures"}
    return section in optional or (section == "Budgets" and key in MODELS)


def _missing(section: type[Section], written: Mapping[str, Any], prefix: str) -> list[str]:
    """Return one line for each key that a params file must have and lacks."""
    faults = []
    for name, field in section.model_fields.items():
        kind, value = field.annotation, written.get(name)
        if name not in written:
            if not _optional(section.__name__, name) or prefix == "training.augmentation.":
                faults.append(f"{prefix}{name}: expected a value, got none: the key is missing")
        elif isinstance(kind, type) and issubclass(kind, Section) and isinstance(value, dict):
            faults += _missing(kind, value, f"{prefix}{name}.")
    return faults


def _conflicts(params: Params, written: Mapping[str, Any]) -> list[str]:
    """Return one line for each value that another value rules out."""

    def name(model: str, key: str) -> str:
        return f"{model if key in written[model] else 'training'}.{key}"

    left, faults = 60_000 - params.dataset.validation_images, []
    fashion_mnist = params.dataset.folder is None
    if fashion_mnist and params.dataset.image_size:
        faults.append(
            "dataset.image_size: expected null, as Fashion-MNIST's images have 28 pixels per side "
            f"(a network's own image_size resizes them), got {params.dataset.image_size}"
        )
    for model in MODELS:
        recipe = params.recipe(model)
        if fashion_mnist and (recipe.train_images or 0) > left:
            faults.append(
                f"{name(model, 'train_images')}: expected at most the {left} images that "
                f"dataset.validation_images leaves, got {recipe.train_images}"
            )
        if recipe.nesterov and not recipe.momentum:
            faults.append(
                f"{name(model, 'nesterov')}: expected false where {name(model, 'momentum')} is 0, "
                "got true"
            )
    return list(dict.fromkeys(faults))
