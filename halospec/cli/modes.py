"""``halospec modes``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.table import Table
from rich.text import Text

from halospec.analysis.table_style import MISSING, new_table
from halospec.cli.application import app
from halospec.cli.consoles import output_console
from halospec.controllers.protocol import MAX_DRAFT_LENGTH
from halospec.rule_list import RuleFacts, rule_facts

SPELLING = (
    f"fixed_0 to fixed_{MAX_DRAFT_LENGTH} send the same k with every request. NAME chooses k for each request in the"
    " client, on any server whose knob allows that; auto:NAME has the rule sit in the bundled server and choose for"
    " each round. Settings follow with @: adaptive@smoothing=0.2, auto:heuristic@max_length=6; several numbers have +"
    " between them. @threads=N and @draft_threads=N go with every mode on the bundled server: fixed_4@threads=1."
)


@app.command()
def modes(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the modes there are: every rule, its settings, where it can run and where it comes from."""
    facts = rule_facts()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in facts], indent=2))
        return
    console = output_console()
    console.print(_table(facts))
    console.print()
    console.print(Text(SPELLING, style="dim"))


def _table(facts: tuple[RuleFacts, ...]) -> Table:
    table = new_table("Rules", ["rule", "client", "server"], [])
    table.add_column("settings, and what they are if nothing is said", overflow="fold", ratio=3)
    table.add_column("source", overflow="fold", ratio=2)
    table.padding = (0, 1, 1, 0)
    for rule in facts:
        settings = ", ".join(f"{name}={_written(value)}" for name, value in rule.settings.items())
        table.add_row(
            rule.name,
            "yes" if rule.mode is not None else MISSING,
            "yes" if rule.mode_in_server is not None else MISSING,
            Text(settings or MISSING),
            Text(rule.source),
        )
    return table


def _written(value: JsonValue) -> str:
    if isinstance(value, list):
        return "+".join(_written(one) for one in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
