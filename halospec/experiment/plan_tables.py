"""A plan in words and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from halospec.analysis.modes import in_order
from halospec.analysis.printable import printable
from halospec.contention.spelling import spelled
from halospec.experiment.forecast import Forecast, counted, spoken_duration, spoken_share, steps_by_phase
from halospec.experiment.phases import LoadWindow, PhasePlan
from halospec.experiment.plan import Design, Plan


def plan_table(plan: Plan) -> Table:
    """Return what a plan holds."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(plan):
        table.add_row(name, Text(printable(value)))
    return table


def forecast_table(found: Sequence[Forecast]) -> Table:
    """Return what different numbers of blocks take and can find."""
    phases = list(dict.fromkeys(one.phase for forecast in found for one in forecast.detectable))
    table = Table(title="Smallest difference in time per token that is found with 80 % power", title_justify="left")
    for heading in ("blocks", *phases, "requests", "about"):
        table.add_column(heading, justify="right")
    for forecast in found:
        shares = {one.phase: spoken_share(one.share) for one in forecast.detectable}
        seconds, requests = forecast.duration.seconds, forecast.duration.requests
        table.add_row(
            str(forecast.plan.blocks),
            *(shares.get(phase, "") for phase in phases),
            "" if requests is None else f"{requests:,}",
            "" if seconds is None else spoken_duration(seconds),
        )
    return table


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "design", f"{plan.design}, seed {plan.seed}"
    yield "modes", ", ".join(in_order(plan.modes))
    different = dict.fromkeys(trial.phases for trial in plan.trials)
    yield "phases", "; ".join(spoken_phases(phases) for phases in different)
    yield "warm-up", f"{counted(plan.warmup, 'request')} {_before_what(plan)}"
    if plan.preload:
        yield "preload", f"{counted(plan.preload, 'request')} before the first trial"
    domains = Counter(prompt.domain for prompt in plan.prompts if prompt.domain is not None)
    of_domains = ", ".join(f"{count} {domain}" for domain, count in domains.items())
    yield "prompts", str(len(plan.prompts)) + (f" ({of_domains})" if of_domains else "")
    sampling = plan.sampling
    limit = "exactly" if sampling.ignore_eos else "at most"
    yield "sampling", f"{limit} {counted(sampling.max_tokens, 'token')}, temperature {sampling.temperature:g}"
    if plan.loads:
        yield "load", ", ".join(map(spelled, plan.loads))
    pauses = plan.pauses
    rests = {
        "after a warm-up request": pauses.after_warmup_s,
        "after a step": pauses.after_step_s,
        "between trials": pauses.between_trials_s,
    }
    if any(rests.values()):
        yield "pauses", ", ".join(f"{seconds:g} s {where}" for where, seconds in rests.items() if seconds)


def spoken_phases(phases: PhasePlan) -> str:
    """Return a phase plan in words."""
    steps = steps_by_phase(phases)
    if steps:
        return ", ".join(f"{count} {phase}" for phase, count in steps.items()) + " steps"
    length = f"{phases.steps} steps" if phases.steps is not None else f"{phases.seconds:g} s"
    return length if phases.load is None else f"{length}, {_spoken_window(phases.load)}"


def _spoken_window(window: LoadWindow) -> str:
    start = f"step {window.start_step}" if window.start_step is not None else f"{window.start_s:g} s"
    if window.stop_step is not None:
        return f"load from {start} until step {window.stop_step}"
    return f"load from {start}" + ("" if window.duration_s is None else f" for {window.duration_s:g} s")


def _before_what(plan: Plan) -> str:
    return "of each mode before each trial" if plan.design is Design.INTERLEAVED else "before each trial"
