"""Trace the three networks: params -> every layer's shape, and what each training takes."""

from dataclasses import asdict

from fashion_cnn.base import params
from fashion_cnn.base.compute import probe, resolve
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import write_csv, write_json
from fashion_cnn.base.gpu_lock import own_gpu
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.costs import budget
from fashion_cnn.costs.footprint import footprint


def main() -> None:
    values = params.load()
    footprints = [footprint(model, values) for model in MODELS]
    for each in footprints:
        print(each.table(), end="\n\n")
    budget.check(footprints)
    layers = {each.model: [asdict(row) for row in each.rows] for each in footprints}
    for model, rows in layers.items():
        write_json(root() / "data" / "shapes" / f"{model}.json", rows)
    table = [{"model": model} | row for model, rows in layers.items() for row in rows]
    write_csv(root() / "plots" / "shapes.csv", table)
    totals = {each.model: each.totals() for each in footprints}
    write_json(root() / "metrics" / "check_shapes.json", totals)
    computes = [resolve(each.recipe.device, each.recipe.precision) for each in footprints]
    speeds = {}
    for compute in set(computes):
        with own_gpu(compute) as held:
            speeds[compute] = probe(held, 0.5 / len(set(computes)))
    for each, compute in zip(footprints, computes, strict=True):
        print(each.on(compute, speeds[compute]))


if __name__ == "__main__":
    run(main)
