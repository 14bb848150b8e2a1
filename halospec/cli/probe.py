"""``halospec probe``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from halospec.cli import options
from halospec.cli.application import app
from halospec.cli.consoles import output_console, progress_console
from halospec.cli.sentences import one_sentence, usage
from halospec.config import TargetSettings
from halospec.probe.settings import ProbeSettings
from halospec.probe.tables import probe_tables
from halospec.probing import probe_server


@app.command()
def probe(
    url: Annotated[
        str | None,
        typer.Argument(
            help="The server, such as http://127.0.0.1:8080 (with or without /v1). Left out: where servers of its kind"
            " listen by default."
        ),
    ] = None,
    server: options.Server = "auto",
    model: options.Model = None,
    knob: options.Knob = "auto",
    server_command: options.ServerCommand = None,
    draft_args: options.DraftArgs = None,
    no_draft_args: options.NoDraftArgs = None,
    blocks: Annotated[
        int | None, typer.Option(help="Canaries of each kind; more tell more where a server counts nothing.", min=2)
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens a canary.", min=8)] = 32,
    seed: Annotated[int, typer.Option(help="Fixes the order of the canaries.", min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    timeout: options.Timeout = 60.0,
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
) -> None:
    """Find out whether a draft length has any effect on a server, and through which knob."""
    with usage():
        settings = TargetSettings.model_validate(
            {
                "url": url,
                "server": server,
                "model": model,
                "knob": knob,
                "server_command": server_command,
                "draft_args": draft_args,
                "no_draft_args": no_draft_args,
                "api_key": api_key,
                "ca_bundle": ca_bundle,
                "insecure": insecure,
                "client_cert": client_cert,
                "client_key": client_key,
                "timeout_s": timeout,
            }
        )
        asked = ProbeSettings(seed=seed, max_tokens=max_tokens, **({} if blocks is None else {"blocks": blocks}))
    with one_sentence():
        report = probe_server(settings, asked, progress_console())
    if as_json:
        # In ASCII: what a server calls itself and its models steers no terminal, and any pipe's encoding can carry it.
        typer.echo(json.dumps(report.model_dump(mode="json"), indent=2))
        return
    console = output_console()
    for part in probe_tables(report):
        console.print(part)
