"""Train the VGG-11 of reduced width: data -> weights, metrics and curve."""

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.models import vgg
from fashion_cnn.training.run import train


def main() -> None:
    values = params.load()
    train("vgg", vgg.build, values.vgg, values.dataset, values.tensorboard.log_interval)


if __name__ == "__main__":
    run(main, "vgg.batch_size or vgg.image_size")
