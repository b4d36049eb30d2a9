"""Trace the three networks: params -> every layer's shape, parameters and arithmetic."""

from dataclasses import asdict

import torch

from fashion_cnn import models, params
from fashion_cnn.errors import run
from fashion_cnn.files import write_csv, write_json
from fashion_cnn.project import TRAINED_BY, root
from fashion_cnn.shapes import ShapeError, trace


def main() -> None:
    values = params.load()
    layers, totals = [], {}
    for model in TRAINED_BY:
        recipe = getattr(values, model)
        try:
            with torch.device("meta"):
                network = models.build(model, **recipe.architecture())
            rows = trace(network, (1, recipe.image_size, recipe.image_size))
        except ShapeError as error:
            raise ShapeError(f"{model}, image_size {recipe.image_size}: {error}") from None
        sums = ("parameters", "multiply_accumulates", "activation_bytes")
        totals[model] = {name: sum(getattr(row, name) for row in rows) for name in sums}
        layers += [{"model": model} | asdict(row) for row in rows]
        write_json(root() / "data" / "shapes" / f"{model}.json", [asdict(row) for row in rows])
    write_csv(root() / "plots" / "shapes.csv", layers)
    write_json(root() / "metrics" / "check_shapes.json", totals)


if __name__ == "__main__":
    run(main)
