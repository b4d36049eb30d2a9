"""Errors that a user can fix, and the one place that turns them into an exit status."""

import gc
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something given from outside is wrong; the message says what to do about it."""


def run(main: Callable[[], object]) -> None:
    """Call `main`; exit with one clear message and status 1 on bad input, 130 on Ctrl-C."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # Python collects garbage again when it exits, which takes a second with torch loaded.
        gc.freeze()
