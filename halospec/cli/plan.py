"""``halospec plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halospec.analysis.loading import read_run
from halospec.cli import plan_options as options
from halospec.cli.application import app
from halospec.cli.consoles import output_console
from halospec.cli.sentences import one_sentence, usage
from halospec.experiment.forecast import blocks_sentence, forecast, forecast_sentences
from halospec.experiment.pilot import Pilot, choices, pilot_of
from halospec.experiment.plan_file import write_plan
from halospec.experiment.plan_tables import forecast_table, plan_table
from halospec.plan_settings import PlanSettings


@app.command()
def plan(
    modes: options.Modes = None,
    preset: options.Preset = None,
    design: options.Design = None,
    phases: options.Phases = None,
    blocks: options.Blocks = None,
    warmup: options.Warmup = 5,
    seed: options.Seed = 1,
    max_tokens: options.MaxTokens = 64,
    temperature: options.Temperature = 0.0,
    ignore_eos: options.IgnoreEos = False,
    prompts: options.Prompts = None,
    cool_down: options.CoolDown = 0.0,
    preload: options.Preload = 0,
    load: options.Load = None,
    load_start: options.LoadStart = None,
    load_seconds: options.LoadSeconds = None,
    load_workers: options.LoadWorkers = None,
    load_percent: options.LoadPercent = 100.0,
    inject: options.Inject = None,
    pilot: Annotated[
        Path | None,
        typer.Option(help="Directory of an earlier run: how long this one will take and what it can find, from that."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("plan.json"),
) -> None:
    """Write down what a run will send and when, and say what it will take and can find."""
    with usage():
        settings = PlanSettings.model_validate(
            {
                "modes": options.names_in(modes),
                "preset": preset,
                "design": design,
                "phases": phases,
                "blocks": blocks,
                "warmup": warmup,
                "seed": seed,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "ignore_eos": ignore_eos,
                "prompts": prompts,
                "cool_down_s": cool_down,
                "preload": preload,
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
        made = settings.plan()
    console = output_console()
    with one_sentence():
        known = Pilot.none() if pilot is None else pilot_of(read_run(pilot), made)
        write_plan(made, out)
    console.print(plan_table(made))
    console.print()
    for sentence in forecast_sentences(forecast(made, known.timings, known.scatter)):
        console.print(sentence, markup=False, highlight=False)
    table = choices(made, known)
    if table:
        console.print()
        console.print(forecast_table(table))
        console.print(blocks_sentence(made, known.scatter), highlight=False)
    console.print(f"\nWritten to {out}; `halospec run --plan {out}` carries it out.", markup=False, highlight=False)
