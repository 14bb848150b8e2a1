"""What starting any server as a child process needs: a free port, and words for how one ended."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

from halospec.analysis.printable import printable

_LAST_BYTES = 64 * 1024
_LINE_CHARS = 500


def free_loopback_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_illegal_instruction(returncode: int) -> bool:
    """Tell whether a process met an instruction that this CPU does not have."""
    return returncode < 0 and -returncode == getattr(signal, "SIGILL", None)


def ending_in_words(returncode: int) -> str:
    """Return how a process ended: ``ended with status 1``, ``was ended by SIGKILL``."""
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def last_lines(log_path: Path, *, count: int = 1, start_byte: int = 0) -> tuple[str, ...]:
    """Return the last lines of a log that are not empty, each fit for a sentence.

    Parameters
    ----------
    start_byte
        Where the lines of this process begin in a log that others wrote to before.
    """
    with log_path.open("rb") as log:
        end_byte = log.seek(0, 2)
        log.seek(max(start_byte, end_byte - _LAST_BYTES))
        text = log.read().decode("utf-8", "replace")
    lines = [line for line in (printable(line, _LINE_CHARS) for line in text.splitlines()) if line]
    return tuple(lines[-count:])


def new_session_flags() -> int:
    """Return the creation flags that keep Ctrl-C for this process alone on Windows; none elsewhere."""
    return getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
