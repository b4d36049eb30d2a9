"""Evaluate a model on the test set: weights -> metrics, confusion, predictions."""

import time

from fashion_cnn import dataset, evaluation, params, weights
from fashion_cnn.compute import choose
from fashion_cnn.errors import run
from fashion_cnn.files import write_json, write_text
from fashion_cnn.inference import predict
from fashion_cnn.project import dataset_folder, model_argument, root, runs_folder, weights_file


def main() -> None:
    model = model_argument(__doc__)
    values = params.load().evaluate
    trained = weights.load(weights_file(model), model)
    images = dataset.read(dataset_folder(), "t10k")[: values.test_images]
    compute = choose(values.device, values.precision)
    network = trained.network.to(compute.device)
    started = time.perf_counter()
    logits = predict(network, images, trained.transform, compute, values.batch_size).cpu()
    speed = len(images) / (time.perf_counter() - started)
    metrics = evaluation.measure(logits, images.labels)
    predictions, confusion = evaluation.tabulate(logits, images.labels)
    write_text(root() / "data" / "predictions" / f"{model}.csv", predictions)
    write_text(root() / "plots" / "confusion" / f"{model}.csv", confusion)
    write_json(root() / "metrics" / "evaluate" / f"{model}.json", metrics)
    write_json(runs_folder(model) / "evaluate.json", {"images_per_second": speed})
    print(f"{model}: test accuracy {metrics['accuracy']:.4f}, {speed:.0f} images/s")


if __name__ == "__main__":
    run(main)
