"""A search file is checked whole before any trial."""

from pathlib import Path

import optuna
import pytest

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.experiments import search
from tests.conftest import ROOT

VALUES = params.load(ROOT / "params.yaml")


@pytest.mark.parametrize("model", MODELS)
def test_the_committed_ranges_are_right_for_every_model(model: str) -> None:
    trials, ranges = search.load(ROOT / "config" / "sweep.yaml", model, VALUES)
    assert trials >= 1
    assert "learning_rate" in ranges


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials: 0", "trials: Input should be greater than or equal to 1, got 0"),
        ("trials: 1", "expected ranges of lenet's parameters, got none"),
        ("trials: 1\nlenet: {epoch: {low: 1, high: 2}}", "lenet.epoch: unknown key"),
        ("trials: 1\nlenet: {augmentation.spin: {low: 1, high: 2}}", "augmentation.spin"),
        ("trials: 1\nlenet: {nothing.spin: {low: 1, high: 2}}", "lenet.nothing.spin: unknown key"),
        ("trials: 1\nlenet: {momentum: {low: 0.5, high: 1.0}}", "lenet.momentum: expected a num"),
        ("trials: 1\nlenet: {momentum: {low: 0.5, high: 0.4}}", "expected low below high"),
        ("trials: 1\nlenet: {momentum: {low: 0, high: 0.4, log: true}}", "above 0 where log"),
        ("trials: 1\nlenet: {keep: {choices: [first]}}", "lenet.keep: expected 'last' or 'best'"),
        ("trials: [", "cannot be read"),
        (f"trials: {'x' * 3000}", r"trials: .*, got 'x{199}$"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^sweep.yaml.*{message}"):
        search.load(path, "lenet", VALUES)


def test_values_lie_in_their_ranges_and_keep_their_type() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        whole = search.Range(low=1, high=3).suggest(trial, "whole")
        rate = search.Range(low=1e-4, high=1e-2, log=True).suggest(trial, "rate")
        assert isinstance(whole, int)
        assert whole in (1, 2, 3)
        assert 1e-4 <= rate <= 1e-2
        assert rate == float(f"{rate:.3g}")
        assert search.Choices(choices=["last", None]).suggest(trial, "keep") in ("last", None)
