"""Stage `download`: the four IDX files in data/fashion_mnist/, verified, or one's own checked."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.sources import fetching, own_data


def main() -> None:
    """Check params.yaml first, so that a slip in it costs no download; then fetch."""
    folder = params.load().dataset.folder
    check_writable(dataset_folder().parent)
    if folder is None:
        fetching.fetch(dataset_folder())
    else:
        own_data.adopt(root() / folder, root() / "data" / "own", dataset_folder())


if __name__ == "__main__":
    run(main)
