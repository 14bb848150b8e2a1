"""The program's start."""

from __future__ import annotations

import subprocess
import sys
import textwrap

INTERRUPTED_WHILE_LOADING = textwrap.dedent(
    """
    import sys

    class Interrupt:
        def find_spec(self, name, *_):
            if name == "halospec.cli":
                raise KeyboardInterrupt

    sys.meta_path.insert(0, Interrupt())
    from halospec.entry import main
    main()
    """
)


def test_an_interruption_while_it_loads_is_no_traceback():
    program = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
