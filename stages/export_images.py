"""Draw what a model has inside: weights and test images -> PNGs, dead channels."""

import shutil

from fashion_cnn.base import params, paths
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, write_json
from fashion_cnn.base.models import model_argument
from fashion_cnn.core.compute import prepare
from fashion_cnn.core.gpu_lock import own_gpu
from fashion_cnn.dataset import images as dataset
from fashion_cnn.trained import weights
from fashion_cnn.visualize import drawing, inspection


def main() -> None:
    model, folder = model_argument(__doc__), paths.root()
    chosen = params.load().export_images
    written = ("metrics/export_images", "plots/feature_maps", "plots/grad_cam", "plots/kernels")
    check_writable(*(folder / name for name in written), paths.runs_folder(model))
    trained = weights.load(paths.weights_file(model), model)
    before = weights.load_kernels(paths.initial_kernels_file(model), model, trained.network)
    images = dataset.read(paths.dataset_folder(), "t10k")
    with own_gpu(prepare(chosen.device, "float32")) as compute:
        network = trained.network.to(compute.device)
        found = inspection.inspect(network, trained.transform, before, images, chosen, compute)
    for kind in ("kernels", "feature_maps"):
        shutil.rmtree(folder / "plots" / kind / model, ignore_errors=True)
    pictures = drawing.draw_all(model, found, chosen)
    drawing.save(pictures, folder / "plots", paths.runs_folder(model))
    write_json(folder / "metrics" / "export_images" / f"{model}.json", found.metrics(model))


if __name__ == "__main__":
    run(main)
