"""Options of a plan: which modes run, in which design, through which phases, with what load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from halospec.cores import available_cores
from halospec.experiment.phases import DEFAULT_PHASES
from halospec.plan_settings import DEFAULT_MODES, FIXED_MODES
from halospec.plan_settings import Preset as PresetName

LOADS = (
    "cpu:75% (of every core), cpu:2 (burners), memory:4GB/s, cache:8GB/s, disk:50MB/s, process:COMMAND LINE. Settings"
    " follow with @: cpu:75%@workers=1@niceness=5, memory:4GB/s@profile=bursts,on=2s,off=4s (or window, ramp, square,"
    " random, replay)."
)
"""What there is to inject, in words for an option's help."""

Modes = Annotated[
    str | None,
    typer.Option(
        help="What chooses k, with commas between: fixed_0 … fixed_16; NAME, a rule in the client; auto:NAME, a rule in"
        " the bundled server. Settings follow with @: adaptive@smoothing=0.2, fixed_4@threads=1. `halospec modes` lists"
        f" the rules. Default: {','.join(DEFAULT_MODES)}; interleaved: {FIXED_MODES[0]} to {FIXED_MODES[-1]}."
    ),
]
Preset = Annotated[PresetName | None, typer.Option(help="classic: the original HaloSpec's experiment, to the letter.")]
Design = Annotated[
    Literal["blocked", "interleaved"] | None,
    typer.Option(
        help="blocked: in each block one trial of every mode, in random order; what an adaptive mode needs."
        " interleaved: fixed modes take turns at every prompt. Default: blocked."
    ),
]
Phases = Annotated[
    str | None,
    typer.Option(
        help=f"Measured steps a phase, or seconds: steady:20s,load:30s,recovery:20s. Default: {DEFAULT_PHASES}."
    ),
]
Blocks = Annotated[
    int | None, typer.Option(help="Trials of each mode; every block has its own random order. Default: 1.", min=1)
]
Warmup = Annotated[int, typer.Option(help="Requests before each trial that enter no statistic.", min=0)]
Seed = Annotated[
    int, typer.Option(help="Fixes the order of trials and prompts, and sampled tokens.", min=0, max=2**31 - 1)
]
MaxTokens = Annotated[int, typer.Option(help="Most tokens a reply.", min=1)]
Temperature = Annotated[float, typer.Option(help="0 is greedy.", min=0, max=2)]
IgnoreEos = Annotated[bool, typer.Option("--ignore-eos", help="Ask for exactly --max-tokens, where the server can.")]
Prompts = Annotated[
    Path | None, typer.Option(help='JSON lines {"id", "text"}, or one prompt a line; the shipped set if left out.')
]
CoolDown = Annotated[float, typer.Option(help="Seconds of rest between trials.", min=0)]
Preload = Annotated[
    int, typer.Option(help="Requests before the first trial, so that it does not meet a machine at rest.", min=0)
]
Load = Annotated[
    bool | None, typer.Option(envvar="HALOSPEC_LOAD", help="Put CPU load on this machine in each trial's load phase.")
]
Inject = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LOAD",
        help="Put this load on the machine in each trial's load phase, instead of --load's or beside it; repeatable."
        f" {LOADS}",
    ),
]
LoadStart = Annotated[
    int | None, typer.Option(help="Measured step at which the load starts, instead of the plan's.", min=1)
]
LoadSeconds = Annotated[float | None, typer.Option(help="How long it stays on, instead of the plan's.")]
LoadWorkers = Annotated[
    int | None, typer.Option(help=f"Burner processes; all cores ({available_cores()}) if left out.", min=1)
]
LoadPercent = Annotated[float, typer.Option(help="CPU share that each burner asks for.")]


def names_in(text: str | None) -> tuple[str, ...] | None:
    """Read names separated by commas; None stays None."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
