"""Where output goes: results to standard output, progress to standard error."""

from __future__ import annotations

from rich.console import Console

from halospec.analysis.tables import WIDTH


def output_console() -> Console:
    """Return the console for results. Tables are never cut: on a narrower terminal their lines wrap."""
    console = Console()
    return Console(width=max(console.width, WIDTH)) if console.is_terminal else Console(width=WIDTH)


def progress_console() -> Console:
    """Return the console for what a person watches meanwhile."""
    return Console(stderr=True)
