"""Train LeNet: data -> weights, metrics and curve."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.models import lenet
from fashion_cnn.training.run import train


def main() -> None:
    values = params.load()
    interval = values.tensorboard.log_interval
    train("lenet", lenet.build, values.lenet, values.dataset, interval, keep_epochs=True)


if __name__ == "__main__":
    run(main, "lenet.batch_size or lenet.image_size")
