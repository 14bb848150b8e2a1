"""What a plan will cost and what it can find, said before it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from halospec.experiment.duration import NO_REQUEST_TIMES, Duration, expected_duration
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Design, Plan
from halospec.experiment.scatter import Scatter
from halospec.experiment.timings import Timings
from halospec.inference.power import POWER, blocks_needed, smallest_detectable
from halospec.records.schema import MEASURED_PHASES, Phase

_USUAL_WISHES = (0.1, 0.05, 0.02)


@dataclass(frozen=True)
class Detectable:
    """What a plan can find in a phase.

    Attributes
    ----------
    log_ratio
        The smallest difference in time per output token from the reference that is found with 80 % power, all
        comparisons of the run being simultaneous.
    pilot_blocks
        Blocks whose scatter it was computed from.
    """

    phase: Phase
    log_ratio: float
    pilot_blocks: int

    @property
    def share(self) -> float:
        """The difference as a share: 0.05 is 5 % more time per token."""
        return math.expm1(min(self.log_ratio, 700.0))


@dataclass(frozen=True)
class Forecast:
    """What a plan comes to.

    Attributes
    ----------
    detectable
        A phase each; empty where nothing is known of the scatter, or where there is nothing to compare.
    """

    plan: Plan
    duration: Duration
    detectable: tuple[Detectable, ...]


def forecast(plan: Plan, timings: Timings | None = None, scatter: Sequence[Scatter] = ()) -> Forecast:
    """Return what a plan will take, by what is known of the server, and what it can find, by a pilot's scatter."""
    here = _of_plan(plan, scatter)
    comparisons = _comparisons(plan, here)
    detectable = (
        tuple(Detectable(one.phase, smallest_detectable(one.sd, plan.blocks, comparisons), one.blocks) for one in here)
        if comparisons and plan.blocks > 1
        else ()
    )
    return Forecast(plan, expected_duration(plan, timings), detectable)


def blocks_for(plan: Plan, scatter: Sequence[Scatter], difference: float) -> int | None:
    """Return how many blocks find a difference in every phase with 80 % power; None where that cannot be told.

    Parameters
    ----------
    difference
        As a share of the time per output token, above 0: 0.05 is 5 %.

    Raises
    ------
    ValueError
        If the difference is 0, or so small that no experiment would do.
    """
    here = _of_plan(plan, scatter)
    comparisons = _comparisons(plan, here)
    if not comparisons:
        return None
    return max(blocks_needed(one.sd, math.log1p(difference), comparisons) for one in here)


def steps_by_phase(phases: PhasePlan) -> dict[Phase, int]:
    """Return how many steps of a trial are planned for each phase, as far as steps decide."""
    if phases.steps is None:
        return {}
    window = phases.load
    if window is None:
        return {Phase.STEADY: phases.steps}
    if window.start_step is None or window.duration_s is not None:
        return {}
    stop = min(window.stop_step or phases.steps + 1, phases.steps + 1)
    counts = (window.start_step - 1, stop - window.start_step, phases.steps + 1 - stop)
    return {phase: count for phase, count in zip(MEASURED_PHASES, counts, strict=True) if count}


def forecast_sentences(found: Forecast, *, pilot_follows: bool = False) -> tuple[str, ...]:
    """Say what a plan comes to, and what is not known of it.

    Parameters
    ----------
    pilot_follows
        Whether the plan is about to run, so that its first block will tell more.
    """
    return (_size(found), *_left_out(found.duration), *_power(found, pilot_follows=pilot_follows))


def blocks_sentence(plan: Plan, scatter: Sequence[Scatter]) -> str | None:
    """Say how many blocks usual wishes take; None where that cannot be told."""
    needed = {share: blocks_for(plan, scatter, share) for share in _USUAL_WISHES}
    parts = [f"{blocks:,} for {share * 100:.0f} %" for share, blocks in needed.items() if blocks is not None]
    return f"Blocks that find a difference in every phase: {', '.join(parts)}." if parts else None


def counted(count: int, what: str) -> str:
    """Return a number of things: ``1 trial``, ``2,000 trials``."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def spoken_duration(seconds: float) -> str:
    """Return a time as one would say it: ``40 s``, ``14 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def spoken_share(share: float) -> str:
    """Return a share in percent, with as many digits as mean something."""
    percent = share * 100
    if percent > 100:
        return "more than 100 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def _of_plan(plan: Plan, scatter: Sequence[Scatter]) -> tuple[Scatter, ...]:
    """Return the scatter in the phases that a plan has."""
    planned = {phase for trial in plan.trials for phase in _phases(trial.phases)}
    return tuple(one for one in scatter if one.phase in planned)


def _phases(phases: PhasePlan) -> Iterable[Phase]:
    return MEASURED_PHASES if phases.load is not None else (Phase.STEADY,)


def _comparisons(plan: Plan, scatter: Sequence[Scatter]) -> int:
    """Return how many are made at once; none by the original's design, which cannot support any."""
    return 0 if plan.design is Design.CLASSIC else (len(plan.modes) - 1) * len(scatter)


def _size(found: Forecast) -> str:
    plan, requests, seconds = found.plan, found.duration.requests, found.duration.seconds
    parts = [counted(len(plan.trials), "trial") + f" in {counted(plan.blocks, 'block')}"]
    if requests is not None:
        parts.append(("about " if plan.request_count is None else "") + counted(requests, "request"))
    if seconds is not None:
        limit = f" if every reply has {plan.sampling.max_tokens} tokens" if found.duration.full_length else ""
        parts.append(f"about {spoken_duration(seconds)}{limit}")
    return ", ".join(parts) + "."


def _left_out(duration: Duration) -> Iterator[str]:
    if duration.unknown == (NO_REQUEST_TIMES,):
        yield "How long it will take is not known before the server has been probed or a pilot has run."
    elif duration.unknown:
        yield f"The time leaves out what is not known: {', and '.join(duration.unknown)}."


def _power(found: Forecast, *, pilot_follows: bool) -> Iterator[str]:
    if found.plan.design is Design.CLASSIC:
        yield "The original's design supports no comparison of its modes, however often it runs."
    elif len(found.plan.modes) < 2:
        yield "There is one mode, and nothing to compare it with."
    elif found.plan.blocks < 2:
        yield "One block shows no difference: nothing tells how much blocks differ anyway. Plan two or more (--blocks)."
    elif not found.detectable and pilot_follows:
        yield "Which difference it can find will be known after the first block."
    elif not found.detectable:
        yield "Which difference it can find is not known: run one block as a pilot, and give it with --pilot."
    else:
        first, *others = [f"{spoken_share(one.share)} in {one.phase}" for one in found.detectable]
        also = f" ({', '.join(others)})" if others else ""
        yield f"A difference of {first}{also} will be found with {POWER * 100:.0f} % power."
        if min(one.pilot_blocks for one in found.detectable) == 1:
            yield "That rests on one pilot block: if blocks differ more than requests within one, it takes more."
