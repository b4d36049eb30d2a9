"""`python -m fashion_cnn`: see fashion_cnn.tools.command_line."""

from fashion_cnn.base.errors import run
from fashion_cnn.tools.command_line import main

if __name__ == "__main__":
    run(main)
