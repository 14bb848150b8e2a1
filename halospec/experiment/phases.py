"""The shape of a trial: how long it is, and when load is on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from halospec.records.schema import Phase

Unit = Literal["steps", "seconds"]

DEFAULT_PHASES = "steady:5,load:5,recovery:5"
_SEGMENT = re.compile(r"(?P<phase>[a-z]+):(?P<amount>\d+(?:\.\d+)?)(?P<seconds>s?)")
_ORDER = (Phase.STEADY, Phase.LOAD, Phase.RECOVERY)


class PhasePlanError(ValueError):
    """A phase plan that cannot be run; the message says why."""


@dataclass(frozen=True)
class LoadWindow:
    """When the injector runs within a trial.

    Attributes
    ----------
    start_step
        It is on before this measured step is sent; None if it starts by time.
    stop_step
        It is off before this measured step is sent; None if it stops by time or with the trial.
    start_s, duration_s
        Seconds after the trial's first measured step, and how long it stays on; None if steps decide.
    """

    start_step: int | None = None
    stop_step: int | None = None
    start_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class PhasePlan:
    """How long a trial is, in steps or in seconds, and when load is wanted.

    Which phase a request ends up in is decided later, by the load that was measured.
    """

    steps: int | None
    seconds: float | None
    load: LoadWindow | None

    def without_load(self) -> PhasePlan:
        """Return the same trial with the injector off."""
        return replace(self, load=None)

    def with_load(self, start_step: int | None, seconds: float | None) -> PhasePlan:
        """Return the same trial with the load's start (a measured step) or length (seconds) set by hand."""
        if start_step is None and seconds is None:
            if self.load is None:
                raise PhasePlanError(
                    "--load needs a load phase, and so does --inject: add one to --phases, or give --load-start."
                )
            return self
        planned = self.load or LoadWindow()
        if start_step is not None:
            planned = replace(planned, start_step=start_step, start_s=None)
            if planned.stop_step is not None and planned.stop_step <= start_step:
                planned = replace(planned, stop_step=None)
        if seconds is not None:
            planned = replace(planned, duration_s=seconds, stop_step=None)
        if planned.start_step is None and planned.start_s is None:
            raise PhasePlanError("--load-seconds needs a start: give --load-start, or a plan with a load phase.")
        if self.steps is not None and planned.start_step is not None and planned.start_step > self.steps:
            raise PhasePlanError(f"The load cannot start at step {planned.start_step} of {self.steps}.")
        return replace(self, load=planned)


def parse_phases(text: str) -> PhasePlan:
    """Read a plan such as ``steady:5,load:5,recovery:5`` (steps) or ``steady:20s,load:30s,recovery:20s``.

    Raises
    ------
    PhasePlanError
        If it is not such a plan.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    segments = [_segment(part) for part in parts]
    phases = [phase for phase, _, _ in segments]
    units = {unit for _, _, unit in segments}
    if not segments or phases != [phase for phase in _ORDER if phase in phases]:
        raise PhasePlanError(f"{text!r} is not a phase plan: name steady, load, recovery once each at most, in order.")
    if len(units) > 1:
        raise PhasePlanError(f"{text!r} mixes steps and seconds: give every phase in the same unit.")
    unit = units.pop()
    length = {phase: amount for phase, amount, _ in segments}
    before = length.get(Phase.STEADY, 0.0)
    load = length.get(Phase.LOAD)
    total = sum(length.values())
    if total <= 0:
        raise PhasePlanError(f"{text!r} holds no requests.")
    if unit == "steps":
        first = int(before) + 1
        window = LoadWindow(start_step=first, stop_step=first + int(load)) if load else None
        return PhasePlan(steps=int(total), seconds=None, load=window)
    window = LoadWindow(start_s=before, duration_s=load) if load else None
    return PhasePlan(steps=None, seconds=total, load=window)


def _segment(part: str) -> tuple[Phase, float, Unit]:
    match = _SEGMENT.fullmatch(part)
    if match is None or match["phase"] not in {phase.value for phase in _ORDER}:
        raise PhasePlanError(f"{part!r} is not a phase: write steady:5, load:5 or recovery:5 (or 20s for seconds).")
    unit: Unit = "seconds" if match["seconds"] else "steps"
    amount = float(match["amount"])
    if unit == "steps" and not amount.is_integer():
        raise PhasePlanError(f"{part!r}: a number of steps is whole; write {match['amount']}s for seconds.")
    return Phase(match["phase"]), amount, unit
