"""A search for a better recipe: Optuna proposes trials, DVC runs them, bad ones end early."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from fashion_cnn.base import params
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.tools.experiments import running, search
from fashion_cnn.tools.experiments.running import claimed

# No trial is ended early before so many have run to their end.
UNPRUNED = 4
# So many of a worker's trials may fail in a row: some recipes diverge, but seldom so many.
FAILURES = 5


def run(model: str) -> str:
    """Search the ranges of config/sweep.yaml for the highest validation accuracy.

    The test set is never read. Several of these processes share the trials. One that was left
    unfinished is taken up again from its last checkpoint. Other ranges, another recipe or other
    code start a new sweep.

    Returns:
        The best trials as a table, and the command that applies the best.

    Raises:
        InputError: sweep.yaml is wrong, what the trials have in common was edited meanwhile, or
            FAILURES trials of this process failed in a row.
    """
    name, trials, ranges = _read(model)
    study = _study(name)
    failed: list[str] = []
    while len(_ended(study)) < trials:
        with _next_trial(study, model, trials, ranges) as claim:
            if claim is None:
                # The trials that are left are others'.
                time.sleep(1)
                continue
            trial, lock = claim
            settings = trial.user_attrs["settings"]
            digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
            # The same when these settings are taken up again.
            checkpoints = _folder() / "checkpoints" / f"{study.study_name}-{digest[:16]}"
            os.environ["CHECKPOINTS"] = str(checkpoints)
            error = _try(study, trial, model, lock)
            shutil.rmtree(checkpoints, ignore_errors=True)
            failed = [*failed, trial.user_attrs["experiment"]] if error else []
            if len(failed) == FAILURES:
                raise InputError(
                    f"{', '.join(failed)}: {FAILURES} trials in a row failed, so no more are "
                    f"tried; {error}; once the reason is gone, run the same command to go on"
                )
    return _report(study)


@contextmanager
def _next_trial(
    study: optuna.Study, model: str, trials: int, ranges: search.Ranges
) -> Iterator[tuple[Trial, TextIO] | None]:
    """Claim a trial and yield it with its lock; None where others are at work on all the rest."""
    with ExitStack() as stack:
        with claimed(_lock(study.study_name), wait=True):
            at_work = _at_work(study, model)
            if at_work + len(_ended(study)) >= trials:
                claim = None
            else:
                if _read(model)[0] != study.study_name:
                    raise InputError(
                        "config/sweep.yaml, params.yaml or src: edited since this sweep began: "
                        "take the edits back to go on, or run the same command for a new sweep"
                    )
                trial = _asked(study, model, ranges)
                lock = stack.enter_context(claimed(_lock(trial.user_attrs["experiment"])))
                assert lock
                claim = trial, lock
        yield claim


def _at_work(study: optuna.Study, model: str) -> int:
    """Return how many trials other processes are at work on; take up those that were left."""
    others = 0
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        name = trial.user_attrs.get("experiment", "")
        with claimed(_lock(name)) as lock:
            if not lock:
                others += 1
            elif name and running.reference(name, trial.user_attrs["commit"]):
                # Its process ended before its training did.
                study.tell(trial.number, _accuracy(trial, model))
            else:
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
    return others


def _asked(study: optuna.Study, model: str, ranges: search.Ranges) -> Trial:
    """Return a new trial with its settings."""
    # With a sampler per trial, an interrupted sweep does not propose the same values again.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials), constant_liar=True)
    trial = study.ask()
    settings = {f"{model}.{key}": each.suggest(trial, key) for key, each in ranges.items()}
    trial.set_user_attr("settings", settings)
    trial.set_user_attr("commit", running.head())
    trial.set_user_attr("experiment", f"{study.study_name}-{trial.number}")
    return trial


def _try(study: optuna.Study, trial: Trial, model: str, lock: TextIO) -> InputError | None:
    """Run a trial to its end, or to the epoch in which it falls behind; report it to the study.

    Returns:
        Why it failed, if it did.
    """
    name, settings = trial.user_attrs["experiment"], trial.user_attrs["settings"]
    print(f"{name}: {_described(settings)}", flush=True)
    with running.running(name, settings, MODELS[model], lock) as process:
        pruned = _watch(process, trial, model, name)
    if pruned:
        study.tell(trial, state=TrialState.PRUNED)
        print(f"{name}: behind the others, ended in epoch {pruned}", flush=True)
    elif process.returncode:
        study.tell(trial, state=TrialState.FAIL)
        error = running.failure(name)
        print(error, file=sys.stderr, flush=True)
        return error
    else:
        accuracy = _accuracy(trial, model)
        study.tell(trial, accuracy)
        print(f"{name}: validation accuracy {accuracy:.4f}", flush=True)
    return None


def _accuracy(trial: Trial | FrozenTrial, model: str) -> float:
    """Return the validation accuracy of a trial's experiment."""
    name, commit = trial.user_attrs["experiment"], trial.user_attrs["commit"]
    accuracy: float = running.metrics(name, commit, "train", model)["validation_accuracy"]
    return accuracy


def _watch(process: "subprocess.Popen[bytes]", trial: Trial, model: str, name: str) -> int:
    """Wait for the trial's end; return the epoch in which it was ended early, or 0."""
    reported = 0
    log = running.log_file(name)
    while process.poll() is None:
        time.sleep(0.5)
        # Until the stage runs, the curve in its folder is that of the last commit.
        if f"Running stage '{MODELS[model]}'" not in log.read_text(errors="replace"):
            continue
        curve = running.copy(name) / "plots" / "training" / f"{model}.csv"
        for row in _rows(curve)[reported:]:
            reported = int(row["epoch"])
            trial.report(float(row["validation_accuracy"]), reported)
        if reported and trial.should_prune() and process.poll() is None:
            running.interrupt(process)
            return reported
    return 0


def _rows(curve: Path) -> list[dict[str, str]]:
    if not curve.is_file():
        return []
    with curve.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _read(model: str) -> tuple[str, int, search.Ranges]:
    """Return a sweep's name, which its ranges, recipe and code decide; its trials; its ranges."""
    with running.whole_tree():
        values = params.load()
        trials, ranges = search.load(root() / "config" / "sweep.yaml", model, values)
        code = running.tree("src")
    searched = {name: each.model_dump() for name, each in ranges.items()}
    recipe = values.recipe(model).model_dump(exclude={*ranges})
    inputs = [searched, recipe, values.dataset.model_dump(), code]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"{model}-sweep-{digest[:4]}", trials, ranges


def _study(name: str) -> optuna.Study:
    """Open or create the study of this name."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = JournalStorage(JournalFileBackend(str(_folder() / "journal")))
    return optuna.create_study(
        storage=journal,
        study_name=name,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        load_if_exists=True,
    )


def _lock(name: str) -> Path:
    return _folder() / "locks" / f"{name}.lock"


def _folder() -> Path:
    folder = root() / "runs" / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _described(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _report(study: optuna.Study) -> str:
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: trial.value or 0.0, reverse=True)
    lines = [
        f"{trial.value:.4f}  {trial.user_attrs['experiment']}: "
        + _described(trial.user_attrs["settings"])
        for trial in best[:5]
    ]
    if not best:
        raise InputError("no trial ran to its end: their outputs are in runs/experiments/")
    pruned = len(_ended(study)) - len(complete)
    return "\n".join(
        [
            f"validation accuracy of the best of {len(complete)} trials; {pruned} ended early:",
            *lines,
            f"apply the best with `dvc exp apply {best[0].user_attrs['experiment']}`, "
            "then evaluate it with `dvc repro`",
        ]
    )
