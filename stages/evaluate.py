"""Evaluate a model on the test set: weights -> metrics, confusion, predictions."""

import argparse
import json
import time

from fashion_cnn import dataset, evaluation, params, weights
from fashion_cnn.compute import choose
from fashion_cnn.errors import run
from fashion_cnn.files import write_text
from fashion_cnn.inference import predict
from fashion_cnn.project import TRAINED_BY, dataset_folder, root, runs_folder, weights_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=TRAINED_BY)
    model = parser.parse_args().model
    values = params.load().evaluate
    trained = weights.load(weights_file(model), model, TRAINED_BY[model])
    images = dataset.read(dataset_folder(), "t10k")[: values.test_images]
    compute = choose(values.device, values.precision)

    started = time.perf_counter()
    network = trained.network.to(compute.device)
    logits = predict(network, images, trained.transform, compute, values.batch_size).cpu()
    seconds = time.perf_counter() - started

    metrics = evaluation.measure(logits, images.labels)
    table = evaluation.tabulate(logits, images.labels)
    confusion = table[["label", "predicted"]].rename(columns={"label": "actual"})
    rounded = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_text(root() / f"data/predictions/{model}.csv", rounded)
    write_text(root() / f"plots/confusion/{model}.csv", confusion.to_csv(index=False))
    write_text(root() / f"metrics/evaluate/{model}.json", json.dumps(metrics, indent=2) + "\n")
    times = {"seconds": seconds, "images_per_second": len(images) / seconds}
    write_text(runs_folder(model) / "evaluate.json", json.dumps(times, indent=2) + "\n")
    print(f"{model}: test accuracy {metrics['accuracy']:.4f}, {len(images) / seconds:.0f} images/s")


if __name__ == "__main__":
    run(main)
