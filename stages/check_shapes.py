"""Trace the networks: params -> every layer's shape, and what each training takes."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, write_csv, write_json
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import dataset_folder, root, shapes_file
from fashion_cnn.costs import budget, speed
from fashion_cnn.costs.footprint import footprint
from fashion_cnn.dataset.kind import read_kind


def main() -> None:
    values = params.load()
    check_writable(root() / "plots" / "shapes")
    kind, images = read_kind(dataset_folder())
    footprints = [footprint(model, values, kind, images) for model in MODELS]
    for each in footprints:
        print(each.table(), end="\n\n")
    budget.check(footprints, {model: values.budget_of(model) for model in MODELS})
    for each in footprints:
        each.check_memory()
        each.check_apart(kind)
    for each in footprints:
        write_json(shapes_file(each.model), [vars(row) for row in each.rows])
    costs = [{"model": each.model} | each.totals() for each in footprints]
    write_csv(root() / "plots" / "costs.csv", costs)
    for line in speed.estimates(footprints):
        print(line)


if __name__ == "__main__":
    run(main)
