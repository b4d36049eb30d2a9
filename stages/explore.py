"""Write the page on which LeNet and the reduced VGG can be touched: one file that loads nothing."""

from fashion_cnn.base import paths
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, write_text
from fashion_cnn.dataset import images
from fashion_cnn.explore.contents import load_epochs
from fashion_cnn.explore.page import write_page
from fashion_cnn.trained import weights

MODELS = ("lenet", "vgg")


def main() -> None:
    page = paths.root() / "data" / "explore" / "explore.html"
    check_writable(page.parent)
    networks = {model: weights.load(paths.weights_file(model), model) for model in MODELS}
    epochs = load_epochs(paths.epoch_weights_file("lenet"), networks["lenet"].network)
    test = images.read(paths.dataset_folder(), "t10k")
    write_text(page, write_page(networks, epochs, test))
    print(f"{page.relative_to(paths.root())}: {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
