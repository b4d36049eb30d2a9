"""Trace the three networks: params -> every layer's shape, parameters and arithmetic."""

import json
from dataclasses import asdict

import pandas as pd
import torch

from fashion_cnn import params
from fashion_cnn.errors import run
from fashion_cnn.files import write_text
from fashion_cnn.models import lenet, vgg, vgg11
from fashion_cnn.project import root
from fashion_cnn.shapes import ShapeError, trace


def main() -> None:
    values = params.load()
    tables, totals = {}, {}
    for model, module in {"lenet": lenet, "vgg": vgg, "vgg11": vgg11}.items():
        recipe = getattr(values, model)
        try:
            with torch.device("meta"):
                network = module.build(**recipe.architecture())
            rows = trace(network, (1, recipe.image_size, recipe.image_size))
        except ShapeError as error:
            raise ShapeError(f"{model}, image_size {recipe.image_size}: {error}") from None
        table = pd.DataFrame([{"model": model} | asdict(row) for row in rows])
        columns = ["parameters", "multiply_accumulates", "activation_bytes"]
        totals[model] = {name: int(table[name].sum()) for name in columns}
        tables[model] = table
        write_text(root() / f"data/shapes/{model}.json", table.to_json(orient="records", indent=2))
        print(f"{model}: " + ", ".join(f"{v:,} {k}" for k, v in totals[model].items()))
    everything = pd.concat(tables.values()).to_csv(index=False, lineterminator="\n")
    write_text(root() / "plots" / "shapes.csv", everything)
    write_text(root() / "metrics" / "check_shapes.json", json.dumps(totals, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
