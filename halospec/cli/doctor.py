"""``halospec doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from halospec.cli.application import app
from halospec.cli.sentences import EXIT_FAILED, one_sentence, usage
from halospec.doctor import State, examine
from halospec.doctor.table import findings_table
from halospec.endpoints.base_url import parse_url


@app.command()
def doctor(
    url: Annotated[
        str | None,
        typer.Option(help="A server, such as http://127.0.0.1:8080: its process is looked at, and nothing sent to it."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if anything is bad or a warning.")] = False,
    out: Annotated[Path, typer.Option(help="The folder that runs are to go to.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say how fit this machine is to measure, and what to do about it. Every run's manifest holds the same findings."""
    with usage():
        server_url = None if url is None else parse_url(url)
    with one_sentence():
        findings = examine(runs=out, server_url=server_url)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in findings], indent=2))
    else:
        Console(highlight=False).print(findings_table(findings))
    if strict and any(one.state in (State.BAD, State.WARNING) for one in findings):
        raise typer.Exit(EXIT_FAILED)
