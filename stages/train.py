"""Train a network: data -> weights, metrics and curve."""

from argparse import ArgumentParser
from functools import partial

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.base.models import MODELS, build
from fashion_cnn.training.run import train


def main(model: str, keep_epochs: bool) -> None:
    values = params.load()
    recipe = values.recipe(model)
    network = partial(build, model, **recipe.first_weights())
    interval = values.tensorboard.log_interval
    train(model, network, recipe, values.dataset, interval, keep_epochs=keep_epochs)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--keep-epochs", action="store_true", help="write each epoch's weights too")
    given = vars(parser.parse_args())
    run(partial(main, **given), "{model}.batch_size or {model}.image_size".format(**given))
