"""Where the program starts: an interruption while it is still being loaded is no traceback either."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Load the command line and run it."""
    try:
        from halospec.cli import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
