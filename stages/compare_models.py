"""Compare the models on the same test images: predictions -> McNemar's tests."""

from fashion_cnn.comparison import compare, read_predictions
from fashion_cnn.errors import run
from fashion_cnn.files import write_json
from fashion_cnn.project import TRAINED_BY, root


def main() -> None:
    folder = root() / "data" / "predictions"
    compared = compare(
        {model: read_predictions(folder / f"{model}.csv", model) for model in TRAINED_BY}
    )
    write_json(root() / "metrics" / "compare_models.json", compared)
    for pair, told in compared["pairs"].items():
        first, second = pair.split("_")
        print(
            f"only {first} right {told['first_only_right']}, "
            f"only {second} right {told['second_only_right']}: p = {told['p_value']:.2g}"
        )
    print(f"all wrong {compared['all_wrong']} of {compared['images']}")


if __name__ == "__main__":
    run(main)
