"""Draw what a model has inside: weights and test images -> PNGs, dead channels."""

import shutil

from fashion_cnn import dataset, inspection, params, visualize, weights
from fashion_cnn.compute import choose
from fashion_cnn.errors import run
from fashion_cnn.files import write_json
from fashion_cnn.project import (
    dataset_folder,
    initial_kernels_file,
    model_argument,
    root,
    runs_folder,
    weights_file,
)


def main() -> None:
    model = model_argument(__doc__)
    chosen = params.load().export_images
    trained = weights.load(weights_file(model), model)
    before = weights.load_kernels(initial_kernels_file(model), model, trained.network)
    images = dataset.read(dataset_folder(), "t10k")
    network = trained.network.to(choose(chosen.device, "float32").device)
    found = inspection.inspect(network, trained.transform, before, images, chosen)
    for kind in ("kernels", "feature_maps"):
        shutil.rmtree(root() / "plots" / kind / model, ignore_errors=True)
    pictures = visualize.draw_all(model, found, chosen)
    visualize.save(pictures, root() / "plots", runs_folder(model) / "images")
    write_json(root() / "metrics" / "export_images" / f"{model}.json", found.metrics())


if __name__ == "__main__":
    run(main)
