"""Options that several commands have: which server, and how k is to reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halospec.endpoints.detection import SERVER_KINDS

Server = Annotated[
    str, typer.Option(help=f"What kind of server it is: auto asks it; {', '.join(SERVER_KINDS)}.", metavar="KIND")
]
Model = Annotated[str | None, typer.Option(help="The model to ask for; the server's first if left out.")]
Knob = Annotated[
    str,
    typer.Option(
        help="How k reaches the server: auto, draft_length, speculative.n_max, $.speculative.n_max (nested),"
        " speculative_draft_length, field:NAME, alias[:TEMPLATE with {k}], reload, restart, none."
    ),
]
ServerCommand = Annotated[
    str | None,
    typer.Option(
        help="Start the server with this command line, anew for each k: {draft_args} stands for the arguments that set"
        ' it, {port} for a free port. "llama-server -m T.gguf -md D.gguf --port {port} {draft_args}"'
    ),
]
DraftArgs = Annotated[
    str | None,
    typer.Option(
        help="What {draft_args} stands for, with {k} in it. Default: --spec-type draft-simple --spec-draft-n-max {k}."
    ),
]
NoDraftArgs = Annotated[
    str | None, typer.Option(help="What {draft_args} stands for at k = 0. Default: --spec-type none.")
]
ApiKey = Annotated[str | None, typer.Option(envvar="HALOSPEC_API_KEY", help="Sent as a bearer token; never logged.")]
CaBundle = Annotated[Path | None, typer.Option(help="PEM file of certificates to trust instead of the system's.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")]
ClientCert = Annotated[Path | None, typer.Option(help="PEM file of a certificate to show to the server.")]
ClientKey = Annotated[Path | None, typer.Option(help="PEM file of its key, if not in the same file.")]
Timeout = Annotated[float, typer.Option(help="Seconds a try may take.")]
Slo = Annotated[
    list[str] | None,
    typer.Option(
        help="A service level that every request should keep, repeatable: ttft_ms=400, tpot_ms=60, e2e_ms=6000; or"
        " auto, from the warm-ups of fixed_0.",
        metavar="NAME=MS",
    ),
]
Reference = Annotated[
    str | None, typer.Option(help="The mode that others are compared with. Default: fixed_0, or the lowest k.")
]
