"""``halospec schema``."""

from __future__ import annotations

import json

import typer

from halospec.cli.application import app
from halospec.records.json_schema import record_schema


@app.command()
def schema() -> None:
    """Print the JSON Schema of a line of records.jsonl."""
    typer.echo(json.dumps(record_schema(), indent=2))
