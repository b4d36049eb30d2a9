"""`python -m fashion_cnn`: what the package answers in the terminal."""

import argparse
from pathlib import Path

from fashion_cnn.errors import run
from fashion_cnn.project import TRAINED_BY, root


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m fashion_cnn", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    shapes = commands.add_parser("shapes", help="the table of a model's layers, and its costs")
    shapes.add_argument("model", choices=TRAINED_BY)
    shapes.add_argument("--image-size", type=int, help="pixels a side; by default params.yaml's")
    shapes.add_argument("--width-divisor", type=int, help="of vgg; by default params.yaml's")
    shapes.set_defaults(command=_shapes)
    check_lock = commands.add_parser("check-lock", help="does dvc.lock belong to this checkout?")
    check_lock.set_defaults(command=_check_lock)
    gate = commands.add_parser("gate", help="may this run take the place of the committed one?")
    gate.add_argument("--baseline", default="HEAD", help="git revision, or none; by default HEAD")
    gate.add_argument("--rules", type=Path, help="by default the repository's gate.yaml")
    gate.set_defaults(command=_gate)
    verify = commands.add_parser("verify", help="make the committed run again and compare")
    verify.add_argument("--model", choices=TRAINED_BY, help="its stages alone; by default all")
    verify.set_defaults(command=_verify)
    drift = commands.add_parser("drift", help="how far new images are from the training images")
    drift.add_argument("folder", type=Path, help="of new images, in IDX files")
    drift.add_argument("--model", choices=TRAINED_BY, default="lenet", help="by default lenet")
    drift.set_defaults(command=_drift)
    arguments = parser.parse_args()
    arguments.command(arguments)


def _shapes(arguments: argparse.Namespace) -> None:
    from fashion_cnn import params
    from fashion_cnn.footprint import footprint

    given = {"image_size": arguments.image_size, "width_divisor": arguments.width_divisor}
    changes = {name: value for name, value in given.items() if value is not None}
    values = params.replace(params.load(), arguments.model, **changes)
    print(footprint(arguments.model, values).table())


def _check_lock(arguments: argparse.Namespace) -> None:
    from fashion_cnn import lock

    lock.check()


def _gate(arguments: argparse.Namespace) -> None:
    from fashion_cnn import gate

    gate.check(arguments.rules or root() / "gate.yaml", arguments.baseline)


def _verify(arguments: argparse.Namespace) -> None:
    from fashion_cnn import verify

    verify.verify(arguments.model)


def _drift(arguments: argparse.Namespace) -> None:
    from fashion_cnn import drift, params

    print(drift.report(arguments.folder, arguments.model, params.load()))


if __name__ == "__main__":
    run(main)
