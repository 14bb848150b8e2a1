"""``halospec run``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from halospec.cli import options
from halospec.cli.application import app
from halospec.cli.consoles import progress_console
from halospec.cli.outcome import exit_as, show
from halospec.cli.sentences import one_sentence, usage
from halospec.config import DEFAULT_MODES, Preset, RunSettings
from halospec.cores import available_cores
from halospec.execution import execute
from halospec.experiment.phases import DEFAULT_PHASES


@app.command()
def run(
    url: Annotated[
        str | None,
        typer.Option(
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
    allow_placebo: Annotated[
        bool,
        typer.Option("--allow-placebo", help="Go on where the server ignores k; everything is stamped PLACEBO."),
    ] = False,
    modes: Annotated[
        str | None,
        typer.Option(help=f"What chooses k: fixed_0 … fixed_16, adaptive. Default: {','.join(DEFAULT_MODES)}."),
    ] = None,
    preset: Annotated[
        Preset | None, typer.Option(help="classic: the original HaloSpec's experiment, to the letter.")
    ] = None,
    warmup: Annotated[int, typer.Option(help="Requests before each trial that enter no statistic.", min=0)] = 5,
    phases: Annotated[
        str | None,
        typer.Option(
            help=f"Measured steps a phase, or seconds: steady:20s,load:30s,recovery:20s. Default: {DEFAULT_PHASES}."
        ),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Trials of each mode; every block has its own random order. Default: 1.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes the order of trials and sampled tokens.", min=0)] = 1,
    max_tokens: Annotated[int, typer.Option(help="Most tokens a reply.", min=1)] = 64,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0, max=2)] = 0.0,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Ask for exactly --max-tokens, where the server can.")
    ] = False,
    timeout: options.Timeout = 60.0,
    prompts: Annotated[
        Path | None, typer.Option(help='JSON lines {"id", "text"}, or one prompt a line; the shipped set if left out.')
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the run; runs/TIME if left out.")] = None,
    load: Annotated[
        bool | None,
        typer.Option(envvar="HALOSPEC_LOAD", help="Put CPU load on this machine in each trial's load phase."),
    ] = None,
    load_start: Annotated[
        int | None, typer.Option(help="Measured step at which the load starts, instead of the plan's.", min=1)
    ] = None,
    load_seconds: Annotated[float | None, typer.Option(help="How long it stays on, instead of the plan's.")] = None,
    load_workers: Annotated[
        int | None, typer.Option(help=f"Burner processes; all cores ({available_cores()}) if left out.", min=1)
    ] = None,
    load_percent: Annotated[float, typer.Option(help="CPU share that each burner asks for.")] = 100.0,
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
    max_failures: Annotated[int, typer.Option(help="Failures in a row that end the run.", min=1)] = 20,
) -> None:
    """Measure a running server: probe it, then take every mode through the same phases, into a directory."""
    with usage():
        settings = RunSettings.model_validate(
            {
                "url": url,
                "server": server,
                "knob": knob,
                "server_command": server_command,
                "draft_args": draft_args,
                "no_draft_args": no_draft_args,
                "allow_placebo": allow_placebo,
                "ca_bundle": ca_bundle,
                "insecure": insecure,
                "client_cert": client_cert,
                "client_key": client_key,
                "out": out or Path("runs") / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S"),
                "model": model,
                "api_key": api_key,
                "modes": None if modes is None else tuple(name.strip() for name in modes.split(",") if name.strip()),
                "preset": preset,
                "phases": phases,
                "blocks": blocks,
                "warmup": warmup,
                "seed": seed,
                "prompts": prompts,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "ignore_eos": ignore_eos,
                "timeout_s": timeout,
                "max_failures": max_failures,
                "load": {
                    "enabled": load,
                    "start_step": load_start,
                    "seconds": load_seconds,
                    "workers": load_workers,
                    "percent": load_percent,
                },
            }
        )
        plan = settings.plan()
        cpu_load = settings.cpu_load()
    with one_sentence(settings.out):
        conclusion = execute(settings, plan, cpu_load, progress_console())
    show(conclusion)
    exit_as(conclusion)
