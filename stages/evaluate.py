"""Evaluate a model on the test set: weights -> metrics, tables, pictures, TensorBoard."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, file_md5, write_json
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
    metrics = measures.measure(passed.logits, images.labels)
    metrics |= measures.cost(trained.network, trained.transform.image_size, trained.kind.channels)
    made_with = compute.describe() | {"weights_md5": file_md5(weights_file(model))}
    plots.save(plots.draw(model, passed.logits, images), folder / "plots" / "evaluate" / model)
    measures.write(folder, model, metrics, made_with, passed.logits, images)
    tensorboard.write(runs, passed.logits, passed.features, images)
    tensorboard.write_hparams(runs.parent / "hparams", model, trained.recipe, metrics)
    write_json(runs / "evaluate.json", passed.speed)
    print(f"{model}: test accuracy {metrics['accuracy']:.4f}, {passed.describe_speed()}")


if __name__ == "__main__":
    run(main, "evaluate.batch_size")
