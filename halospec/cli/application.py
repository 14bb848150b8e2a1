"""The application that every command joins, and what holds for all of them."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Annotated

import typer

import halospec
from halospec.config import debug_json_wanted

app = typer.Typer(
    name="halospec",
    help="Measure what a draft length costs and gains in speculative decoding, quiet and under load.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    # What a script starts in the background is born deaf to Ctrl-C, and a polite kill, which becomes one here, would
    # then end nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A polite kill ends a run as Ctrl-C does: recorded, summarised, nothing left behind.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()


@app.callback(invoke_without_command=True)
def _global(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"halospec {halospec.__version__}")
        raise typer.Exit
    if debug_json_wanted():
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("halospec.debug").setLevel(logging.DEBUG)
