"""Settings that must be made before torch is imported: the package imports this module first."""

import gc
import os
from pathlib import Path

# Importing torch creates hundreds of thousands of objects, none of them garbage. By default, Python
# searches for garbage after every 700 new objects, which takes half a second of each stage.
gc.set_threshold(100_000, 20, 20)

# Queued experiments share the cores. By default, OpenMP's waiting threads keep a core busy, which
# slows the other experiments down. This changes no result.
if ".dvc/tmp/exps" in Path.cwd().as_posix():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
