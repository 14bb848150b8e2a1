"""Starts one of the programs: ``python -I -S …/contention/programs NAME --option value …``.

Without site-packages a worker starts in milliseconds, and nothing that happens to be installed can change what it does.
"""

from __future__ import annotations

import importlib
import os
import sys

PROGRAMS = ("burn", "guard", "stream", "write")


def main() -> None:
    """Run the program that the command line names."""
    name, *options = sys.argv[1:]
    if name not in PROGRAMS:
        sys.exit(f"there is no load program {name}")
    # Behind the standard library, so that nothing which lies beside this package can stand in for a part of that.
    here = os.path.realpath(__file__)
    sys.path.append(os.path.abspath(os.path.join(here, *[os.pardir] * 4)))  # noqa: PTH100, PTH118 - pathlib is slow
    importlib.import_module(f"halospec.contention.programs.{name}").main(options)


if __name__ == "__main__":
    main()
