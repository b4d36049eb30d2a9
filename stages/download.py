"""Fetch Fashion-MNIST, or read one's own images -> IDX files, checked, counted and shown."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable
from fashion_cnn.base.paths import dataset_folder, root
from fashion_cnn.sources import fetching, overview, own_data


def main() -> None:
    """Check params.yaml first, so that a slip in it costs no download; then fetch."""
    settings = params.load().dataset
    check_writable(dataset_folder().parent, *(root() / name for name in overview.FOLDERS))
    if settings.folder is None:
        fetching.fetch(dataset_folder())
        overview.write(root(), dataset_folder(), {})
    else:
        folder = root() / settings.folder
        pictures = own_data.adopt(folder, root() / "data" / "own", dataset_folder(), settings)
        overview.write(root(), dataset_folder(), pictures)


if __name__ == "__main__":
    run(main)
