"""`python -m fashion_cnn`: what the package offers on the command line."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, TypeAlias

from fashion_cnn.base import faults
from fashion_cnn.base.errors import InputError
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import dataset_folder, root, weights_file
from fashion_cnn.tools import git

if TYPE_CHECKING:
    from fashion_cnn.tools.prediction.pictures import Background

# A function of this file, or the name of one in fashion_cnn.tools.
Command: TypeAlias = str | Callable[..., None]
Add: TypeAlias = Callable[[str, Command, str], ArgumentParser]


def main() -> None:
    """Run the command that the command line names."""
    arguments = vars(parser().parse_args())
    command = arguments.pop("command")
    if isinstance(sys.stdout, TextIOWrapper):
        # A name that the terminal's encoding lacks is escaped, as it is on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command(**arguments)
    except Exception as error:
        if not any(type(each).__module__ == "sqlite3" for each in faults.chain(error)):
            raise
        # In these DVC keeps what it knows of files.
        raise InputError(
            f"DVC's databases below {root() / '.dvc' / 'tmp'} or /var/tmp/dvc can't be written "
            f"({error}): free some space there, or make them writable, and run it again"
        ) from error


def parser() -> ArgumentParser:
    """Return the parser of all commands: `command` is a function of the other arguments."""
    found = ArgumentParser(prog="python -m fashion_cnn", description=__doc__)
    commands = found.add_subparsers(title="commands", required=True, metavar="command")

    def add(name: str, command: Command, description: str) -> ArgumentParser:
        added = commands.add_parser(name, help=description, description=description)
        function = partial(_tool, command) if isinstance(command, str) else command
        added.set_defaults(command=function)
        return added

    for add_commands in (_models, _runs, _experiments, _params):
        add_commands(add)
    return found


def _tool(name: str, /, **arguments: object) -> None:
    """Call a function of fashion_cnn.tools, and print what it returns."""
    module, _, function = name.rpartition(".")
    if module.startswith("experiments"):
        git.check(root())
    text = getattr(import_module(f"fashion_cnn.tools.{module}"), function)(**arguments)
    if text is not None:
        print(text)


def _path(text: str) -> Path:
    """Return a path that the command line names: an empty text would be the working folder."""
    if not text:
        raise ArgumentTypeError("expected a path, got an empty text")
    try:
        Path(text).exists()
    except OSError as error:
        raise ArgumentTypeError(f"{text:.50}: {error.strerror}") from None
    return Path(text)


def _models(add: Add) -> None:
    shapes = add("shapes", _shapes, "print a model's layers and what they cost")
    shapes.add_argument("model", choices=MODELS)
    shapes.add_argument("--image-size", type=int, help="pixels per side; default: params.yaml's")
    shapes.add_argument("--width-divisor", type=int, help="of vgg; default: params.yaml's")

    predict = add("predict", _predict, "classify pictures with a trained model")
    predict.add_argument("model", choices=MODELS)
    images = (
        "a PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC picture, or a folder of them, searched at any "
        "depth, without hidden files"
    )
    predict.add_argument("images", nargs="+", type=_path, metavar="image", help=images)
    predict.add_argument("--json", action="store_true", help="print one line of JSON per picture")
    predict.add_argument(
        "--background",
        choices=("auto", "dark", "light"),
        default="auto",
        help="behind the clothing; a light one is inverted; default: auto, judged by the picture",
    )
    predict.add_argument("--show", type=_path, metavar="FOLDER", help="write what the network saw")
    predict.add_argument("--device", help="default: evaluate.device of params.yaml")

    export = add("export", _export, "write a trained model as ONNX beside its weights")
    export.add_argument("model", choices=MODELS)


def _runs(add: Add) -> None:
    add("check-lock", "trust.lock.check", "check that dvc.lock belongs to this checkout")

    gate = add("gate", "trust.gate.check", "may this run replace the committed one?")
    gate.add_argument("--baseline", default="HEAD", help="git revision, or none; default: HEAD")
    gate.add_argument("--model", choices=MODELS, help="leave out the rules for other models")
    gate.add_argument("--all", dest="every", action="store_true", help="print rules that are met")
    gate.add_argument("--rules", type=_path, help="default: the repository's config/gate.yaml")

    verify = add("verify", "trust.verify.verify", "make the committed run again and compare")
    verify.add_argument("--model", choices=MODELS, help="only this model's stages; default: all")

    drift = add("drift", "trust.drift.report", "compare new images with the training images")
    drift.add_argument("folder", type=_path, help="new images: a folder per class, or IDX files")
    drift.add_argument("--model", choices=MODELS, default="lenet", help="default: lenet")

    report = add("report", _report, "write report.html and report.md on a revision")
    report.add_argument("revision", nargs="?", default="workspace", help="default: workspace")
    report.add_argument("--baseline", default="HEAD", help="compare with this; default: HEAD")
    report.add_argument("--output", type=_path, help="folder; default: the repository's")


def _params(add: Add) -> None:
    preset = add("preset", "presets.apply", "write a preset into params.yaml")
    preset.add_argument("name", help="a file of presets/, without .yaml")

    add("reference", "reference.write", "write the reference and the schema of params.yaml")


def _experiments(add: Add) -> None:
    compare = add("compare", "experiments.comparing.report", "list the experiments, the best first")
    compare.add_argument("model", choices=MODELS, nargs="?", help="default: all models")
    compare.add_argument(
        "--all", dest="every_branch", action="store_true", help="also those of other branches"
    )

    seeds = add("seeds", "experiments.seeds.run", "train a model with several seeds")
    seeds.add_argument("model", choices=MODELS)
    seeds.add_argument("count", type=int, help="number of seeds, counted from 0")

    sweep = add("sweep", "experiments.sweep.run", "search config/sweep.yaml for a better recipe")
    sweep.add_argument("model", choices=MODELS)


# Each command imports what it needs when it runs, so that `--help` does not wait for torch.


def _shapes(model: str, **changes: int | None) -> None:
    from fashion_cnn.base import params
    from fashion_cnn.costs.footprint import footprint
    from fashion_cnn.dataset.kind import FASHION_MNIST, read_kind

    given = {name: value for name, value in changes.items() if value is not None}
    data = dataset_folder()
    images = read_kind(data) if data.is_dir() else (FASHION_MNIST, 60_000)
    print(footprint(model, params.replace(params.load(), model, **given), *images).table())


def _predict(
    model: str,
    images: list[Path],
    json: bool,
    background: "Background",
    show: Path | None,
    device: str | None,
) -> None:
    from fashion_cnn.tools.prediction import many, pictures

    files = list(pictures.find(images))
    # While torch is imported here, they import what they need.
    many.begin(files)

    from fashion_cnn.base import params
    from fashion_cnn.core import compute
    from fashion_cnn.core.gpu_lock import own_gpu
    from fashion_cnn.tools.prediction import predicting
    from fashion_cnn.trained import weights

    changes = {"device": device} if device else {}
    written = params.load()
    values = params.replace(written, "evaluate", **changes).evaluate
    trained = weights.load(weights_file(model), model)
    predicting.tell_differing(trained, written.dataset)
    if show:
        _check_folder("--show", show)
    skipped = []

    def skip(file: Path, error: InputError) -> None:
        skipped.append(file)
        print(f"skipped {file}: {error}", file=sys.stderr)

    with own_gpu(compute.prepare(values.device, trained.precision)) as held:
        found = predicting.predictions(
            trained,
            files,
            background=background,
            compute=held,
            batch_size=trained.batch_size(values.batch_size, held.device),
            skip=skip,
            show=show,
        )
        if json:
            for prediction in found:
                print(prediction.json())
        elif rows := list(found):
            print(predicting.table(rows))
    if skipped:
        sys.exit(1)


def _export(model: str) -> None:
    from fashion_cnn.base import params
    from fashion_cnn.tools.prediction import exporting, predicting
    from fashion_cnn.trained import weights

    path, trained = (
        weights_file(model).with_suffix(".onnx"),
        weights.load(weights_file(model), model),
    )
    predicting.tell_differing(trained, params.load().dataset)
    exporting.write_onnx(path, trained)
    print(f"{path.relative_to(root())}: {path.stat().st_size / 1e6:.1f} MB")


def _report(revision: str, baseline: str, output: Path | None) -> None:
    from fashion_cnn.tools.report.writing import write

    folder = output or root()
    _check_folder("--output", folder)
    print(*write(root(), revision, baseline, folder), sep="\n")


def _check_folder(option: str, folder: Path) -> None:
    """Make a folder that an option names, and check that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except FileExistsError:
        raise InputError(f"{option}: expected a folder, got the file {folder}") from None
    except OSError as error:
        raise InputError(f"{option}: {folder} cannot be written: {error.strerror}") from None
