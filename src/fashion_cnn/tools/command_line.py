"""`python -m fashion_cnn`: what the package answers in the terminal."""

import argparse
import os
import sys
from pathlib import Path
from typing import TypeAlias

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root, weights_file

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m fashion_cnn", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    _add_commands_of_models(commands)
    _add_commands_of_runs(commands)
    _add_commands_of_experiments(commands)
    _add_commands_of_params(commands)

    arguments = parser.parse_args()
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output wants no more of it; without this, Python complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_commands_of_models(commands: Commands) -> None:
    shapes = commands.add_parser("shapes", help="the table of a model's layers, and its costs")
    shapes.set_defaults(command=_shapes)
    shapes.add_argument("model", choices=MODELS)
    shapes.add_argument("--image-size", type=int, help="pixels a side; by default params.yaml's")
    shapes.add_argument("--width-divisor", type=int, help="of vgg; by default params.yaml's")

    predict = commands.add_parser("predict", help="what a trained model sees in pictures")
    predict.set_defaults(command=_predict)
    predict.add_argument("model", choices=MODELS)
    predict.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="image",
        help="a PNG or JPEG, or a folder of them, read at any depth but for hidden files",
    )
    predict.add_argument("--json", action="store_true", help="a line of JSON a picture")
    predict.add_argument(
        "--background",
        choices=("auto", "dark", "light"),
        default="auto",
        help="behind the clothing; a light one is inverted; auto looks at the border",
    )
    predict.add_argument("--device", help="by default params.yaml's evaluate.device")

    export = commands.add_parser("export", help="write a trained model as ONNX beside its weights")
    export.set_defaults(command=_export)
    export.add_argument("model", choices=MODELS)


def _add_commands_of_runs(commands: Commands) -> None:
    check_lock = commands.add_parser("check-lock", help="does dvc.lock belong to this checkout?")
    check_lock.set_defaults(command=_check_lock)

    gate = commands.add_parser("gate", help="may this run take the place of the committed one?")
    gate.add_argument("--baseline", default="HEAD", help="git revision, or none; by default HEAD")
    gate.add_argument("--rules", type=Path, help="by default the repository's gate.yaml")
    gate.set_defaults(command=_gate)

    verify = commands.add_parser("verify", help="make the committed run again and compare")
    verify.add_argument("--model", choices=MODELS, help="its stages alone; by default all")
    verify.set_defaults(command=_verify)

    drift = commands.add_parser("drift", help="how far new images are from the training images")
    drift.add_argument("folder", type=Path, help="of new images, in IDX files")
    drift.add_argument("--model", choices=MODELS, default="lenet", help="by default lenet")
    drift.set_defaults(command=_drift)

    report = commands.add_parser("report", help="report.html and report.md of two revisions")
    report.set_defaults(command=_report)
    report.add_argument("revision", nargs="?", default="workspace", help="by default the workspace")
    report.add_argument("--baseline", default="HEAD", help="compare with it; by default HEAD")
    report.add_argument("--output", type=Path, help="folder; by default the repository's")


def _add_commands_of_params(commands: Commands) -> None:
    preset = commands.add_parser("preset", help="write a preset into params.yaml")
    preset.set_defaults(command=_preset)
    preset.add_argument("name", help="a file of presets/, without .yaml")

    reference = commands.add_parser("reference", help="write the reference of params.yaml anew")
    reference.set_defaults(command=_reference)


def _add_commands_of_experiments(commands: Commands) -> None:
    compare = commands.add_parser("compare", help="the experiments, best first, and what differs")
    compare.set_defaults(command=_compare)
    compare.add_argument("model", choices=MODELS, nargs="?", help="by default every one")
    compare.add_argument("--all", action="store_true", help="those of other branches too")

    seeds = commands.add_parser("seeds", help="train a model at several seeds: mean and spread")
    seeds.set_defaults(command=_seeds)
    seeds.add_argument("model", choices=MODELS)
    seeds.add_argument("count", type=int, help="how many seeds, from 0")

    sweep = commands.add_parser("sweep", help="search the ranges of sweep.yaml for a better recipe")
    sweep.set_defaults(command=_sweep)
    sweep.add_argument("model", choices=MODELS)


# Each command imports what it needs when it runs, so that the help does not wait for torch.


def _shapes(arguments: argparse.Namespace) -> None:
    from fashion_cnn.base import params
    from fashion_cnn.costs.footprint import footprint

    given = {"image_size": arguments.image_size, "width_divisor": arguments.width_divisor}
    changes = {name: value for name, value in given.items() if value is not None}
    values = params.replace(params.load(), arguments.model, **changes)
    print(footprint(arguments.model, values).table())


def _predict(arguments: argparse.Namespace) -> None:
    from fashion_cnn.base import compute, params
    from fashion_cnn.tools.prediction import pictures, predicting
    from fashion_cnn.trained import weights

    changes = {"device": arguments.device} if arguments.device else {}
    values = params.replace(params.load(), "evaluate", **changes).evaluate
    trained = weights.load(weights_file(arguments.model), arguments.model)
    skipped = []

    def skip(file: Path, error: InputError) -> None:
        skipped.append(file)
        print(f"skipped {file}: {error}", file=sys.stderr)

    found = predicting.predictions(
        trained,
        pictures.find(arguments.images),
        background=arguments.background,
        compute=compute.prepare(values.device, values.precision),
        batch_size=values.batch_size,
        skip=skip,
    )
    if arguments.json:
        for prediction in found:
            print(prediction.json())
    elif rows := list(found):
        print(predicting.table(rows))
    if skipped:
        sys.exit(1)


def _export(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.prediction import exporting
    from fashion_cnn.trained import weights

    path = weights_file(arguments.model).with_suffix(".onnx")
    exporting.write_onnx(path, weights.load(weights_file(arguments.model), arguments.model))
    print(f"{path.relative_to(root())}: {path.stat().st_size / 1e6:.1f} MB")


def _preset(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools import presets

    presets.apply(arguments.name)


def _reference(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools import reference

    reference.write()


def _check_lock(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.trust import lock

    lock.check()


def _gate(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.trust import gate

    gate.check(arguments.rules or root() / "gate.yaml", arguments.baseline)


def _verify(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.trust import verify

    verify.verify(arguments.model)


def _drift(arguments: argparse.Namespace) -> None:
    from fashion_cnn.base import params
    from fashion_cnn.tools.trust import drift

    print(drift.report(arguments.folder, arguments.model, params.load()))


def _report(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.report.writing import write

    output = arguments.output or root()
    for path in write(root(), arguments.revision, arguments.baseline, output):
        print(path)


def _compare(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.experiments import comparing

    models = [arguments.model] if arguments.model else list(MODELS)
    print(comparing.report(models, every_branch=arguments.all))


def _seeds(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.experiments import seeds

    print(seeds.run(arguments.model, arguments.count))


def _sweep(arguments: argparse.Namespace) -> None:
    from fashion_cnn.tools.experiments import sweep

    print(sweep.run(arguments.model))
