"""Draw what a model has inside: weights and test images -> PNGs, dead channels."""

import shutil

from fashion_cnn import dataset, params, project, visualize, weights
from fashion_cnn.compute import choose
from fashion_cnn.errors import run
from fashion_cnn.files import write_json
from fashion_cnn.slots import own_gpu
from fashion_cnn.visualize import inspection


def main() -> None:
    model, folder = project.model_argument(__doc__), project.root()
    chosen = params.load().export_images
    trained = weights.load(project.weights_file(model), model)
    before = weights.load_kernels(project.initial_kernels_file(model), model, trained.network)
    images = dataset.read(project.dataset_folder(), "t10k")
    with own_gpu(choose(chosen.device, "float32")) as compute:
        network = trained.network.to(compute.device)
        found = inspection.inspect(network, trained.transform, before, images, chosen)
    for kind in ("kernels", "feature_maps"):
        shutil.rmtree(folder / "plots" / kind / model, ignore_errors=True)
    pictures = visualize.draw_all(model, found, chosen)
    visualize.save(pictures, folder / "plots", project.runs_folder(model) / "images")
    write_json(folder / "metrics" / "export_images" / f"{model}.json", found.metrics())


if __name__ == "__main__":
    run(main)
