"""Evaluate a model on the test set: weights -> metrics, tables, pictures, TensorBoard."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, file_md5, write_json, write_text
from fashion_cnn.base.models import model_argument
from fashion_cnn.base.paths import dataset_folder, root, runs_folder, weights_file
from fashion_cnn.core.compute import prepare
from fashion_cnn.dataset import images as dataset
from fashion_cnn.evaluation import measures, plots, tensorboard, timed_pass
from fashion_cnn.trained import weights


def main() -> None:
    model = model_argument(__doc__)
    values = params.load().evaluate
    folder, runs = root(), runs_folder(model)
    check_writable(*(folder / name for name in measures.FOLDERS), runs)
    trained = weights.load(weights_file(model), model)
    images = dataset.read(dataset_folder(), "t10k")[: values.test_images]
    compute = prepare(values.device, trained.precision)
    passed = timed_pass.run(trained, images, compute, values.batch_size)
    logits = passed.logits
    metrics = measures.measure(logits, images.labels)
    metrics |= measures.cost(trained.network, trained.transform.image_size, trained.kind.channels)
    made_with = compute.describe() | {"weights_md5": file_md5(weights_file(model))}
    plots.save(plots.draw(model, logits, images), folder / "plots" / "evaluate" / model)
    for path, text in measures.files(model, metrics, made_with, logits, images).items():
        write_text(folder / path, text)
    tensorboard.write(runs, logits, passed.features, images)
    tensorboard.write_hparams(runs.parent / "hparams", model, trained.recipe, metrics)
    write_json(runs / "evaluate.json", passed.speed)
    print(f"{model}: test accuracy {metrics['accuracy']:.4f}, {passed.describe_speed()}")


if __name__ == "__main__":
    run(main, "evaluate.batch_size")
