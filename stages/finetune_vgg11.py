"""Fine-tune torchvision's VGG-11: data -> weights, metrics and curve."""

from functools import partial

from fashion_cnn.base import params
from fashion_cnn.base.errors import run
from fashion_cnn.models import vgg11
from fashion_cnn.training.run import train


def main() -> None:
    values = params.load()
    build = partial(vgg11.build, weights=values.vgg11.weights)
    train("vgg11", build, values.vgg11, values.dataset, values.tensorboard.log_interval)


if __name__ == "__main__":
    run(main, "vgg11.batch_size or vgg11.image_size")
