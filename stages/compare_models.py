"""Compare the models on the same test images: predictions -> McNemar's tests."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.files import check_writable, write_json
from fashion_cnn.base.models import MODELS
from fashion_cnn.base.paths import root
from fashion_cnn.pairwise import compare, read_answers


def main() -> None:
    params.load()
    check_writable(root() / "metrics")
    folder = root() / "plots" / "confusion"
    compared = compare({model: read_answers(folder / f"{model}.csv", model) for model in MODELS})
    write_json(root() / "metrics" / "compare_models.json", compared)
    for pair in compared["pairs"]:
        print(
            f"only {pair['first']} right {pair['first_only_right']}, "
            f"only {pair['second']} right {pair['second_only_right']}: p = {pair['p_value']:.2g}"
        )
    print(f"all wrong {compared['all_wrong']} of {compared['details'][0]['images']}")


if __name__ == "__main__":
    run(main)
