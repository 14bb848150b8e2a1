"""``halospec simulate``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from halospec.cli.application import app
from halospec.cli.consoles import output_console, progress_console
from halospec.cli.plan_options import names_in
from halospec.cli.sentences import EXIT_INTERRUPTED, EXIT_USAGE, fail, one_sentence, usage
from halospec.controllers.modes import mode_named
from halospec.recordings.files import read_recording
from halospec.recordings.types import Recording
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.findings import Study
from halospec.simulate.scenarios import SHIPPED, scenario_named
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.simulation import simulate as simulate_policy
from halospec.simulate.study import study
from halospec.simulate.synthetic import SyntheticSettings, read_synthetic, synthetic_recording
from halospec.simulate.tables import study_tables

DEFAULT_MODES = ("adaptive", "auto:heuristic", "auto:ema_accept", "auto:cost_model")


@app.command()
def simulate(
    recording: Annotated[
        Path | None,
        typer.Argument(help="Directory that `halospec record-traces` wrote. Left out: a made-up pair."),
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Parameters of the made-up pair, in place of a recording.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help=f"What happens meanwhile (repeatable): {', '.join(SHIPPED)}, or a file. Default: each of these.",
        ),
    ] = None,
    modes: Annotated[
        str | None,
        typer.Option(
            help="What chooses k, beside every fixed draft length up to --max-length, as `halospec run` has it."
            f" Default: {','.join(DEFAULT_MODES)}."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Repetitions, each with other texts and other rounds.", min=1)] = 10,
    first_seed: Annotated[int, typer.Option(help="The first seed; the others follow.", min=0)] = 1,
    max_length: Annotated[int, typer.Option(help="Compare with fixed draft lengths from 0 to this.", min=1)] = 8,
    counts_only: Annotated[
        bool,
        typer.Option("--counts-only", help="Rules in the client see totals only, as of a server that logs no rounds."),
    ] = False,
    sampled: Annotated[
        bool, typer.Option("--sampled", help="Accept tokens as at temperature 1 instead of greedily.")
    ] = False,
    prompt_ms: Annotated[float, typer.Option(help="What each prompt takes: counts in latencies only.", min=0)] = 0.0,
    processes: Annotated[int | None, typer.Option(help="Simulate so many seeds at a time; all cores.", min=1)] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write the study as JSON.")] = None,
) -> None:
    """Try rules that choose k on recorded acceptance and costs: time per token, against what hindsight would choose.

    Every mode meets the same texts, the same load and the same moments of the machine.
    """
    with usage():
        scenarios = [scenario_named(name) for name in scenario or SHIPPED]
        spellings = names_in(modes) or DEFAULT_MODES
        for spelling in spellings:
            mode_named(spelling)
        if recording is not None and synthetic is not None:
            raise ValueError("Give a recording or --synthetic, not both.")
    with one_sentence():
        replayed = read_recording(recording) if recording is not None else _made_up(synthetic)
        try:
            with _progress() as show:
                findings = study(
                    replayed,
                    scenarios,
                    spellings,
                    range(first_seed, first_seed + seeds),
                    processes=processes,
                    max_length=max_length,
                    simulate=partial(
                        simulate_policy,
                        settings=SimulationSettings(counts_only=counts_only, sampled=sampled, prompt_ms=prompt_ms),
                    ),
                    on_progress=_shown(show),
                )
        except CannotSimulate as reason:
            fail(str(reason), EXIT_USAGE)
        except KeyboardInterrupt:
            fail("Interrupted; a simulation leaves nothing behind.", EXIT_INTERRUPTED)
        _print(findings)
        if json_file is not None:
            json_file.write_text(findings.model_dump_json(indent=2) + "\n", "utf-8")


def _made_up(parameters: Path | None) -> Recording:
    with usage():
        return synthetic_recording(SyntheticSettings() if parameters is None else read_synthetic(parameters))


def _print(findings: Study) -> None:
    console = output_console()
    for table in study_tables(findings):
        console.print(table)


def _progress() -> Progress:
    console = progress_console()
    return Progress(
        TextColumn("simulating"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _shown(progress: Progress) -> Callable[[int, int], None]:
    task = progress.add_task("simulating", total=None)
    return lambda done, of: progress.update(task, completed=done, total=of)
