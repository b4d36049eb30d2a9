"""Draw a model's kernels and feature maps: weights and a validation image -> PNGs."""

import shutil

from fashion_cnn import dataset, params, visualize, weights
from fashion_cnn.errors import run
from fashion_cnn.project import dataset_folder, model_argument, root, runs_folder, weights_file


def main() -> None:
    model = model_argument(__doc__)
    values = params.load()
    chosen = values.export_images
    trained = weights.load(weights_file(model), model)
    _, validation = dataset.read_split(dataset_folder(), values.dataset)
    inputs = trained.transform(validation.pixels[chosen.image : chosen.image + 1])
    kernels = {
        name: visualize.draw_kernels(name, layer.weight, chosen.max_kernels, chosen.kernel_colors)
        for name, layer in visualize.convolutions(trained.network).items()
    }
    maps = {
        name: visualize.draw_feature_maps(name, output[0], chosen.max_maps)
        for name, output in visualize.feature_maps(trained.network, inputs).items()
    }
    log = runs_folder(model) / "images"
    shutil.rmtree(log, ignore_errors=True)
    visualize.save(kernels, root() / "plots" / "filters" / model, log)
    visualize.save(maps, root() / "plots" / "feature_maps" / model, log)


if __name__ == "__main__":
    run(main)
