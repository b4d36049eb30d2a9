"""params.yaml is strict, complete, and means what DVC says it means."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import presets, reference
from tests.conftest import ROOT


def write(tmp_path: Path, edit: dict[str, Any]) -> Path:
    """Write the default params with `edit` (dotted key -> value; ... deletes) applied."""
    yaml = YAML(typ="safe")
    values = yaml.load(ROOT / "params.yaml")
    for key, value in edit.items():
        *sections, last = key.split(".")
        target = values
        for section in sections:
            target = target[section]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    path = tmp_path / "params.yaml"
    yaml.dump(values, path)
    return path


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (
            {"lenet.learning_rate": -0.1},
            "lenet.learning_rate: expected a number greater than 0, got -0.1",
        ),
        ({"lenet.epochs": 2.0}, "lenet.epochs: expected an integer, got 2.0"),
        ({"lenet.epochs": True}, "lenet.epochs: expected an integer, got True"),
        ({"lenet.epochs": "3"}, "lenet.epochs: expected an integer, got '3'"),
        ({"lenet.learning_rate": "1e-5"}, "lenet.learning_rate: expected a number, got '1e-5'"),
        ({"training.momentum": 2}, "training.momentum: expected a number less than 1, got 2"),
        (
            {"training.momentun": 2},
            "training.momentun: unknown key, got 2; did you mean momentum?",
        ),
        ({"training.keep": ...}, "training.keep: expected a value, got none: the key is missing"),
        (
            {"training.augmentation.flip": ...},
            "training.augmentation.flip: expected a value, got none: the key is missing",
        ),
        ({"vgg": ...}, "vgg: expected a value, got none: the key is missing"),
        ({"training": 5}, "training: expected a section of keys, got 5"),
        (
            {"training.train_images": 55_001},
            "training.train_images: expected at most the 55000 images that "
            "dataset.validation_images leaves, got 55001",
        ),
        (
            {"training.nesterov": True, "vgg.momentum": 0.0},
            "training.nesterov: expected false where vgg.momentum is 0, got true",
        ),
        (
            {"vgg.weight_decay": float("nan")},
            "vgg.weight_decay: expected a finite number, got nan",
        ),
        (
            {"vgg.optimizer": "sdg"},
            "vgg.optimizer: expected 'sgd', 'adam' or 'adamw', got 'sdg'",
        ),
        (
            {"vgg.width_divisor": 3},
            "vgg.width_divisor: expected 1, 2, 4, 8, 16, 32 or 64, got 3",
        ),
        (
            {"vgg11.device": "gpu"},
            "vgg11.device: expected text of the form ^(auto|cpu|mps|cuda(:\\d+)?)$, got 'gpu'",
        ),
        (
            {"lenet.learning_rat": 1},
            "lenet.learning_rat: unknown key, got 1; did you mean learning_rate?",
        ),
        (
            {"evaluate.batch_size": ...},
            "evaluate.batch_size: expected a value, got none: the key is missing",
        ),
        (
            {"vgg.train_images": 55_001},
            "vgg.train_images: expected at most the 55000 images that "
            "dataset.validation_images leaves, got 55001",
        ),
        *(
            (
                {"export_images.images": images},
                "export_images.images: expected one_per_class or a list of indices from 0 to "
                f"9999, got {images!r}",
            )
            for images in ([10_000], [0, -1], [True], [], 3, "per_class")
        ),
        (
            {"export_images.maps_after": ["pool", "relu"]},
            "export_images.maps_after.1: expected 'convolution', 'activation' or 'pool', "
            "got 'relu'",
        ),
        ({"vgg": 5}, "vgg: expected a section of keys, got 5"),
        (
            {"dataset.validation_images": 60_000},
            "dataset.validation_images: expected a number less than 60000, got 60000",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_key_expected_and_found(
    tmp_path: Path, edit: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError) as error:
        params.load(write(tmp_path, edit))
    assert str(error.value).splitlines() == ["params.yaml has 1 fault(s):", line]


@pytest.mark.parametrize("images", ["one_per_class", [9999, 0]])
def test_images_are_chosen_by_index_or_one_per_class(tmp_path: Path, images: object) -> None:
    path = write(tmp_path, {"export_images.images": images})
    assert params.load(path).export_images.images == images


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    edit = {"evaluate.color": "red", "lenet.epochs": 0, "vgg.seed": -1, "vgg11.weights": 3}
    with pytest.raises(InputError) as error:
        params.load(write(tmp_path, edit))
    lines = str(error.value).splitlines()
    assert lines[0] == "params.yaml has 4 fault(s):"
    assert [line.split(":")[0] for line in lines[1:]] == list(edit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "params.yaml is empty"),
        ("# only a comment\n", "params.yaml is empty"),
        ("- a\n- b\n", "expected a mapping of sections, got a list"),
        ("lenet: {}\nlenet: {}\n", 'line 2: found duplicate key "lenet"'),
        ("lenet: [1\nvgg: 2\n", "params.yaml cannot be read: line 2"),
        ("lenet: \x00\n", "params.yaml cannot be read"),
    ],
)
def test_a_file_that_holds_no_params_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        params.load(path)
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml is missing: restore it"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("written", ["1e-05", "1e-5", "0.00001", "1.0e-05"])
def test_small_numbers_mean_what_dvc_reads(tmp_path: Path, written: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    rate = params.load(ROOT / "params.yaml").lenet.learning_rate
    path = tmp_path / "params.yaml"
    head, _, tail = text.partition("  learning_rate: ")
    path.write_text(f"{head}  learning_rate: {written} #{tail}")
    assert params.load(path).lenet.learning_rate == 1e-5 != rate


def test_yaml_1_1_spellings_are_not_converted(tmp_path: Path) -> None:
    assert params.load(_with_epochs(tmp_path, "010")).lenet.epochs == 10
    with pytest.raises(InputError, match=r"lenet\.epochs: expected an integer, got 'yes'"):
        params.load(_with_epochs(tmp_path, "yes"))


def _with_epochs(tmp_path: Path, written: str) -> Path:
    head, _, tail = (ROOT / "params.yaml").read_text().partition("  epochs: ")
    path = tmp_path / "params.yaml"
    path.write_text(f"{head}  epochs: {written} #{tail}")
    return path


def test_the_file_fits_a_screen_and_its_comments_say_more_than_the_types() -> None:
    text = (ROOT / "params.yaml").read_text()
    assert len(text.splitlines()) <= 100
    assert len(flatten(YAML(typ="safe").load(text))) <= 65


def test_a_network_has_what_training_says_unless_it_overrules_it(tmp_path: Path) -> None:
    values = params.load(write(tmp_path, {"training.seed": 3, "vgg.seed": 4}))
    assert (values.lenet.seed, values.vgg.seed, values.vgg11.seed) == (3, 4, 3)
    path = write(tmp_path, {"training.augmentation.flip": 0.4, "vgg.augmentation": {"shift": 2}})
    assert params.load(path).vgg.augmentation.model_dump() == {"flip": 0.4, "shift": 2, "erase": 0}
    assert params.load(path).lenet.augmentation.model_dump() == {
        "flip": 0.4,
        "shift": 1,
        "erase": 0,
    }


def test_a_budget_holds_for_every_network_unless_its_own_overrules_it(tmp_path: Path) -> None:
    edit = {"budget.memory_gigabytes": 2.0, "budget.vgg": {"memory_gigabytes": None}}
    values = params.load(write(tmp_path, edit))
    limits = {model: values.budget_of(model).memory_gigabytes for model in MODELS}
    assert limits == {"lenet": 2.0, "vgg": None, "vgg11": 2.0}


def test_a_value_of_null_overrules_too(tmp_path: Path) -> None:
    values = params.load(write(tmp_path, {"training.clip_norm": 1.0, "lenet.clip_norm": None}))
    assert (values.lenet.clip_norm, values.vgg.clip_norm) == (None, 1.0)


def test_the_notebook_preset_is_the_tutorials_recipe() -> None:
    values = presets.load("notebook")
    assert [
        (r.image_size, r.optimizer, r.learning_rate, r.batch_size, r.epochs, r.schedule)
        for r in (values.lenet, values.vgg, values.vgg11)
    ] == [
        (28, "sgd", 0.001, 4, 1, "constant"),
        (224, "adam", 0.001, 64, 5, "constant"),
        (224, "adam", 0.001, 64, 5, "constant"),
    ]
    assert (values.lenet.momentum, values.vgg.width_divisor, values.vgg11.weights) == (
        0.9,
        8,
        "none",
    )


def test_the_committed_schema_is_current_and_accepts_the_params() -> None:
    committed = (ROOT / "config/params.schema.json").read_text()
    assert committed == params.schema(), "run `make reference`"
    schema = json.loads(committed)
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    jsonschema.validate(values, schema)
    values["export_images"]["images"] = "one_per_class"
    values["lenet"]["augmentation"] = {"flip": 0.5}
    values["budget"]["vgg"] = {"petaflops": 1.0}
    jsonschema.validate(values, schema)
    for section, key, value in (
        ("lenet", "learning_rate", -1),
        ("vgg", "optimizer", "sdg"),
        ("training", "epochs", 3),
    ):
        broken = copy.deepcopy(values)
        broken[section][key] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)
    del values["training"]["seed"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema)


def test_the_committed_reference_is_current_and_names_every_key() -> None:
    page = (ROOT / "docs/parameters-reference.md").read_text()
    assert page == reference.page(), "run `make reference`"
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    for section, keys in values.items():
        text = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        named = {key.strip("`") for key in re.findall(r"`[\w.]+`", text)}
        named |= {key.rpartition(".")[0] for key in named}
        assert {*flatten(keys)} <= named
