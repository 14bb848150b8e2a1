"""``halospec explain``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from halospec.cli.application import app
from halospec.cli.consoles import output_console
from halospec.cli.sentences import one_sentence, usage
from halospec.explanation.decisions import decisions_in, of
from halospec.explanation.overview import overview
from halospec.explanation.tables import overview_tables, step_tables


@app.command()
def explain(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    step: Annotated[
        int | None, typer.Option(help="The measured step whose decisions to show; an overview if left out.", min=1)
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Of this mode alone, such as auto:cost_model.")] = None,
    block: Annotated[int | None, typer.Option(help="Of this block alone.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: everything that was weighed.")] = False,
) -> None:
    """Say why a rule chose what it did, and what came of it: cost_model, in the client or inside the bundled server."""
    with one_sentence(), usage():
        found = decisions_in(directory)
        if step is None:
            counted = overview(of(found, mode=mode, block=block))
            shown, parts = [one.model_dump(mode="json") for one in counted], overview_tables(counted)
        else:
            told = of(found, step=step, mode=mode, block=block)
            shown, parts = [one.model_dump(mode="json") for one in told], step_tables(told)
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    console = output_console()
    for part in parts:
        console.print(part)
