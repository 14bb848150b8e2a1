"""``halospec validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halospec.analysis.printable import printable
from halospec.cli.application import app
from halospec.cli.sentences import EXIT_FAILED, one_sentence
from halospec.validation.types import Check
from halospec.validation.validate import validate


@app.command("validate")
def validate_directory(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check a run: records, plan coverage, clocks, and that the load was really there. Exits 1 if anything is wrong."""
    with one_sentence():
        validation = validate(directory)
    if as_json:
        typer.echo(validation.model_dump_json(indent=2))
    else:
        for check in validation.checks:
            _print(check)
    if not validation.is_sound:
        raise typer.Exit(EXIT_FAILED)


def _print(check: Check) -> None:
    typer.echo(f"{check.name:<12} {'PROBLEM' if check.problems else 'ok'}")
    for sentence in (*check.problems, *check.notes):
        typer.echo(f"             {printable(sentence)}")
