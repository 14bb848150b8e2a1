"""What an earlier run tells of one to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from halospec.analysis.loading import RunData
from halospec.experiment.forecast import Forecast, forecast, steps_by_phase
from halospec.experiment.plan import Plan
from halospec.experiment.scatter import Scatter, scatter_of
from halospec.experiment.timings import Timings, recorded_timings, switch_ms_of
from halospec.records.manifest import Manifest

_NUMBERS_OF_BLOCKS = (2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Pilot:
    """An earlier run, as far as it tells of one to come.

    Attributes
    ----------
    timings
        None where it tells nothing of how long requests take.
    scatter
        Empty where it tells nothing of how far comparisons scatter.
    """

    timings: Timings | None
    scatter: tuple[Scatter, ...]

    @classmethod
    def none(cls) -> Self:
        """Return what is known before anything has run."""
        return cls(None, ())


def pilot_of(run: RunData, plan: Plan) -> Pilot:
    """Return what a run tells of a plan, whose first trial's phases stand for all."""
    timings = recorded_timings(run.requests, _switch_ms(run))
    limit = run.manifest.settings.get("max_tokens") if run.manifest else None
    if timings is not None and isinstance(limit, int):
        timings = timings.of_replies_up_to(limit)
    return Pilot(timings, scatter_of(run.requests, steps_by_phase(plan.trials[0].phases)))


def choices(plan: Plan, pilot: Pilot) -> tuple[Forecast, ...]:
    """Return what the plan comes to with other numbers of blocks; nothing where no pilot tells what it can find."""
    numbers = sorted({*_NUMBERS_OF_BLOCKS, plan.blocks} - {1})
    found = [forecast(plan.with_blocks(blocks), pilot.timings, pilot.scatter) for blocks in numbers]
    return tuple(one for one in found if one.detectable)


def _switch_ms(run: RunData) -> float | None:
    if len(run.switches.duration_ms):
        return float(np.median(run.switches.duration_ms))
    return _probed_switch_ms(run.manifest)


def _probed_switch_ms(manifest: Manifest | None) -> float | None:
    knobs = manifest.probe.knobs if manifest is not None and manifest.probe is not None else ()
    used = manifest.knob if manifest is not None else None
    return switch_ms_of(next((knob for knob in knobs if knob.knob == used), None))
