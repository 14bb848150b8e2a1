"""Where the program starts: an interruption while it is still being loaded is no traceback either."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Load the command line and run it."""
    # The analysis multiplies small matrices; more threads than one wait for each other there, and would take cores from
    # a server that is measured. numpy reads this when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from halospec.cli import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
