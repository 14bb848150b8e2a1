"""``halospec tune``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer

from halospec.cli import options
from halospec.cli.aliases import parse_lengths
from halospec.cli.application import app
from halospec.cli.consoles import output_console, progress_console
from halospec.cli.plan_options import LOADS
from halospec.cli.sentences import EXIT_FAILED, EXIT_INTERRUPTED, fail, one_sentence, usage
from halospec.contention.protocol import ContentionError
from halospec.experiment.runner import ServerGone
from halospec.tuning.account import Tuning, tuning_file
from halospec.tuning.evidence import Basis
from halospec.tuning.progress import TuneProgress
from halospec.tuning.search import NothingAnswered
from halospec.tuning.session import run_tuning
from halospec.tuning.settings import DEFAULT_ATTAINMENT, TuneSettings
from halospec.tuning.tables import advice_lines, tuning_tables


@app.command()
def tune(
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
    lengths: Annotated[
        str | None,
        typer.Option(help="Draft lengths to choose from, such as 0-8 or 0,2,4; 0 always is one. Default: 0-8."),
    ] = None,
    by: Annotated[
        Basis, typer.Option(help="What to judge by: tpot (time per output token) or latency (of whole replies).")
    ] = Basis.TPOT,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="An objective to keep: ttft_ms=400, tpot_ms=60, e2e_ms=6000 (repeatable), or auto."),
    ] = None,
    attainment: Annotated[
        float, typer.Option(help="Share of the requests that should meet every --slo.", min=0, max=1)
    ] = DEFAULT_ATTAINMENT,
    budget: Annotated[
        int | None,
        typer.Option(help="Most requests, warm-up included. Default: what 20 prompts in the last round take.", min=1),
    ] = None,
    warmup: Annotated[
        int, typer.Option(help="Requests of each k before those that count; after each restart anew.", min=0)
    ] = 2,
    max_tokens: Annotated[int, typer.Option(help="Most tokens a reply.", min=2)] = 64,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0, max=2)] = 0.0,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Ask for exactly --max-tokens, where the server can.")
    ] = False,
    prompts: Annotated[
        Path | None, typer.Option(help='JSON lines {"id", "text"}, or one prompt a line; the shipped set if left out.')
    ] = None,
    load: Annotated[bool, typer.Option("--load", help="Put CPU load on this machine during the whole search.")] = False,
    load_workers: Annotated[int | None, typer.Option(help="Burner processes; all cores if left out.", min=1)] = None,
    load_percent: Annotated[float, typer.Option(help="CPU share that each burner asks for.")] = 100.0,
    inject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOAD",
            help="Put this load on the machine during the whole search, instead of --load's or beside it; repeatable."
            f" {LOADS}",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes prompts, orders and sampled tokens.", min=0)] = 1,
    timeout: options.Timeout = 60.0,
    max_failures: Annotated[int, typer.Option(help="Failures in a row that end the search.", min=1)] = 20,
    out: Annotated[Path | None, typer.Option(help="Directory of the search; runs/tune-TIME if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
) -> None:
    """Find the best fixed draft length with few requests, and print what to put into the server's configuration."""
    with usage():
        settings = TuneSettings.model_validate(
            {
                "url": url,
                "server": server,
                "model": model,
                "knob": knob,
                "server_command": server_command,
                "draft_args": draft_args,
                "no_draft_args": no_draft_args,
                "lengths": None if lengths is None else parse_lengths(lengths),
                "basis": by,
                "slo": tuple(slo or ()),
                "attainment": attainment,
                "budget": budget,
                "warmup": warmup,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "ignore_eos": ignore_eos,
                "prompts": prompts,
                "load": load,
                "load_workers": load_workers,
                "load_percent": load_percent,
                "inject": tuple(inject or ()),
                "seed": seed,
                "timeout_s": timeout,
                "max_failures": max_failures,
                "out": out or Path("runs") / datetime.now().astimezone().strftime("tune-%Y%m%d-%H%M%S"),
                "api_key": api_key,
                "ca_bundle": ca_bundle,
                "insecure": insecure,
                "client_cert": client_cert,
                "client_key": client_key,
            }
        )
        prompt_set, loads = settings.prompt_set(), settings.loads()
    with one_sentence(settings.out), TuneProgress(progress_console()) as progress:
        try:
            tuning = anyio.run(run_tuning, settings, prompt_set, loads, progress)
        except KeyboardInterrupt:
            if not tuning_file(settings.out).exists():
                raise
            fail(
                f"Interrupted. The records so far and tune.json are in {settings.out}; a search cannot be resumed, so"
                " begin it anew with another --out.",
                EXIT_INTERRUPTED,
            )
        except (NothingAnswered, ServerGone, ContentionError) as reason:
            fail(f"{reason} The records are in {settings.out}.", EXIT_FAILED)
    _show(tuning, settings.out, as_json=as_json)


def _show(tuning: Tuning, directory: Path, *, as_json: bool) -> None:
    if tuning.result is None:
        # A search that came to its end has a result; one that did not has raised.
        fail("The search came to no result.", EXIT_FAILED)
    if as_json:
        # In ASCII: what a server calls itself and its models steers no terminal, and any pipe's encoding can carry it.
        answer = tuning.model_dump(mode="json", include={"result", "advice"})
        typer.echo(json.dumps({**answer["result"], "advice": answer["advice"], "directory": str(directory)}, indent=2))
        return
    console = output_console()
    title = f"{tuning.server.model} on {tuning.host.cpu}"
    for part in tuning_tables(tuning.result, title=title):
        console.print(part)
    typer.echo()
    for line in advice_lines(tuning.advice):
        typer.echo(line)
    typer.echo()
    typer.echo(f"Records and tune.json: {directory}")
