"""Stage `download`: Fashion-MNIST's four verified IDX files in data/fashion_mnist/."""

from fashion_cnn import params, sources
from fashion_cnn.errors import run
from fashion_cnn.project import root


def main() -> None:
    """Check params.yaml first, so that a slip in it costs no download; then fetch."""
    params.load()
    sources.fetch(root() / "data" / "fashion_mnist")


if __name__ == "__main__":
    run(main)
