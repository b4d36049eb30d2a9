"""`python -m fashion_cnn`: what the package answers in the terminal."""

import argparse
from pathlib import Path

from fashion_cnn import params
from fashion_cnn.errors import run
from fashion_cnn.footprint import footprint
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
    report = commands.add_parser("report", help="report.html and report.md of two revisions")
    report.add_argument("revision", nargs="?", default="workspace", help="by default the workspace")
    report.add_argument("--baseline", default="HEAD", help="compare with it; by default HEAD")
    report.add_argument("--output", type=Path, help="folder; by default the repository's")
    report.set_defaults(command=_report)
    arguments = parser.parse_args()
    arguments.command(arguments)


def _shapes(arguments: argparse.Namespace) -> None:
    given = {"image_size": arguments.image_size, "width_divisor": arguments.width_divisor}
    changes = {name: value for name, value in given.items() if value is not None}
    values = params.replace(params.load(), arguments.model, **changes)
    print(footprint(arguments.model, values).table())


def _report(arguments: argparse.Namespace) -> None:
    # DVC and scipy take a second to import: not for the other commands.
    from fashion_cnn.report import write  # noqa: PLC0415

    output = arguments.output or root()
    for path in write(root(), arguments.revision, arguments.baseline, output):
        print(path)


if __name__ == "__main__":
    run(main)
