"""``halospec run``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from halospec.cli import options, plan_options
from halospec.cli.application import app
from halospec.cli.consoles import progress_console
from halospec.cli.outcome import exit_as, show
from halospec.cli.sentences import one_sentence, usage
from halospec.config import RunSettings
from halospec.execution import execute, resume
from halospec.experiment.session import settings_to_resume
from halospec.telemetry.sources import DEFAULT_HZ, MOST_HZ, Source, sources_in

_WITH_RESUME = frozenset(
    (
        *("resume_from", "url", "server_command", "draft_args", "no_draft_args", "timeout"),
        *("api_key", "ca_bundle", "insecure", "client_cert", "client_key"),
        *("allow_placebo", "max_failures", "max_minutes", "slo", "reference", "telemetry", "server_pid"),
    )
)
"""What may be given anew to a run that goes on: how to reach and watch its server, and how to judge it."""


@app.command()
def run(
    context: typer.Context,
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
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Carry out this plan, as `halospec plan` writes it.")
    ] = None,
    modes: plan_options.Modes = None,
    preset: plan_options.Preset = None,
    design: plan_options.Design = None,
    warmup: plan_options.Warmup = 5,
    phases: plan_options.Phases = None,
    blocks: plan_options.Blocks = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Add blocks until the intervals against the reference reach no further than this to either side, such"
            " as 3%. Needs --max-minutes."
        ),
    ] = None,
    precision_phases: Annotated[
        str | None, typer.Option(help="Phases whose intervals count for it: steady,load,recovery. Default: all.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Begin no trial after so many minutes; a resumed run has as many again.")
    ] = None,
    seed: plan_options.Seed = 1,
    max_tokens: plan_options.MaxTokens = 64,
    temperature: plan_options.Temperature = 0.0,
    ignore_eos: plan_options.IgnoreEos = False,
    prompts: plan_options.Prompts = None,
    nonce: Annotated[
        bool | None,
        typer.Option(
            "--nonce/--no-nonce",
            help="Words before each prompt that no cache of prompts knows. Default: where the server does not take"
            " cache_prompt: false.",
        ),
    ] = None,
    cool_down: plan_options.CoolDown = 0.0,
    preload: plan_options.Preload = 0,
    load: plan_options.Load = None,
    load_start: plan_options.LoadStart = None,
    load_seconds: plan_options.LoadSeconds = None,
    load_workers: plan_options.LoadWorkers = None,
    load_percent: plan_options.LoadPercent = 100.0,
    inject: plan_options.Inject = None,
    slo: options.Slo = None,
    reference: options.Reference = None,
    timeout: options.Timeout = 60.0,
    out: Annotated[Path | None, typer.Option(help="Directory of the run; runs/TIME if left out.")] = None,
    resume_from: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the run in this directory that was cut short."),
    ] = None,
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
    max_failures: Annotated[int, typer.Option(help="Failures in a row that end the run.", min=1)] = 20,
    telemetry: Annotated[
        str | None,
        typer.Option(
            help=f"What to read off the machine meanwhile: {', '.join(Source)}, with commas between; or off. Default:"
            " all that can be read here.",
            metavar="SOURCES",
        ),
    ] = None,
    telemetry_hz: Annotated[float, typer.Option(help="Readings a second.", min=0.1, max=MOST_HZ)] = DEFAULT_HZ,
    server_pid: Annotated[
        int | None, typer.Option(help="The server's process, where it is not the one that listens at --url.", min=1)
    ] = None,
) -> None:
    """Measure a running server: probe it, then take every mode through the same phases, into a directory."""
    asked: dict[str, object] = {
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
        "model": model,
        "api_key": api_key,
        "slo": tuple(slo or ()),
        "reference": reference,
        "timeout_s": timeout,
        "max_failures": max_failures,
        "max_minutes": max_minutes,
        "server_pid": server_pid,
    }
    if telemetry is not None:
        with usage():
            asked["telemetry"] = sources_in(telemetry)
    if resume_from is not None:
        _go_on(context, resume_from, asked)
        return
    if plan_file is not None and _is_from_environment(context, "load"):
        # It is meant for plans that are made here; this one says itself what load it has.
        load = None
    with usage():
        settings = RunSettings.model_validate(
            asked
            | {
                "out": out or Path("runs") / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S"),
                "plan_file": plan_file,
                "modes": plan_options.names_in(modes),
                "preset": preset,
                "design": design,
                "phases": phases,
                "blocks": blocks,
                "precision": None if precision is None else share_in(precision),
                "precision_phases": plan_options.names_in(precision_phases) or (),
                "warmup": warmup,
                "seed": seed,
                "prompts": prompts,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "ignore_eos": ignore_eos,
                "nonce": nonce,
                "cool_down_s": cool_down,
                "preload": preload,
                "telemetry_hz": telemetry_hz,
                "load": {
                    "enabled": load,
                    "start_step": load_start,
                    "seconds": load_seconds,
                    "workers": load_workers,
                    "percent": load_percent,
                    "inject": tuple(inject or ()),
                },
            }
        )
        with one_sentence():
            plan = settings.plan()
    with one_sentence(settings.out):
        conclusion = execute(settings, plan, progress_console())
    show(conclusion)
    exit_as(conclusion)


def _is_from_environment(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "ENVIRONMENT"


def share_in(text: str) -> float:
    """Read a share such as ``3%`` or ``0.03``.

    Raises
    ------
    ValueError
        If the text is no share between 0 and 1.
    """
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if "%" in text else 1)
    except ValueError as problem:
        raise ValueError(f"--precision: {text!r} is no share; write 3%.") from problem
    if not 0 < share < 1:
        raise ValueError(f"--precision: {text!r} is not between 0 and 100 %; write 3%.")
    return share


def _go_on(context: typer.Context, directory: Path, asked: Mapping[str, object]) -> None:
    """Resume a run: by its own plan and settings, but for what was given anew."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    foreign = sorted(given - _WITH_RESUME)
    with usage():
        if foreign:
            option = {"plan_file": "plan", "cool_down": "cool-down"}.get(foreign[0], foreign[0]).replace("_", "-")
            raise ValueError(f"--resume goes on with the plan in {directory}, which decides what --{option} would.")
    anew = {{"timeout": "timeout_s"}.get(name, name) for name in given | {"api_key"}}
    with one_sentence(directory):
        settings = settings_to_resume(directory, {name: value for name, value in asked.items() if name in anew})
        conclusion = resume(settings, progress_console())
    show(conclusion)
    exit_as(conclusion)
