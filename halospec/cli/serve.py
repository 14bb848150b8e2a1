"""``halospec serve``."""

from __future__ import annotations

import os
import subprocess
import sys

import typer

from halospec.cli.application import app
from halospec.cli.sentences import one_sentence
from halospec.server_process import require_server_package, server_command


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def serve(context: typer.Context) -> None:
    """Start the bundled speculative server; `halospec serve --help` lists its options."""
    with one_sentence():
        require_server_package()
    command = server_command(context.args)
    if sys.platform == "win32":
        raise typer.Exit(subprocess.call(command))
    os.execv(command[0], command)  # noqa: S606  # the server takes this process's place and gets its signals
