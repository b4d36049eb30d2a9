"""Convolutional networks on Fashion-MNIST, as a reproducible DVC pipeline."""

import gc
import os
from pathlib import Path

# torch's import makes objects by the hundred thousand, all to stay; by default, Python looks for
# garbage among them every 700, which takes half a second of every stage and finds none.
gc.set_threshold(100_000, 20, 20)

# Experiments in a queue share the cores: threads that spin while they wait, as OpenMP's do, would
# keep the others' from working. To be said before torch is imported; it changes no number.
if ".dvc/tmp/exps" in Path.cwd().as_posix():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
