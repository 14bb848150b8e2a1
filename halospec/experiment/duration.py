"""How long a plan will take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from halospec.controllers.modes import mode_named
from halospec.experiment.phases import LoadWindow, PhasePlan
from halospec.experiment.plan import Plan, Sampling, Trial, requests_in
from halospec.experiment.timings import Timings

NO_REQUEST_TIMES = "how long a request takes"


@dataclass(frozen=True)
class Duration:
    """What a plan is expected to take.

    Attributes
    ----------
    requests
        Warm-up and preload included; an estimate where time decides; None where nothing is known of it.
    seconds
        None where nothing is known of how long a request takes.
    unknown
        What ``seconds`` leaves out because nobody knows it, as parts of a sentence.
    full_length
        Whether every reply was taken to have all of ``max_tokens``, because too little is known of how long they are.
    """

    requests: int | None
    seconds: float | None
    unknown: tuple[str, ...] = ()
    full_length: bool = False


@dataclass(frozen=True)
class _Course:
    """What one trial takes; all zero before its first request."""

    requests: int = 0
    seconds: float = 0.0


def expected_duration(plan: Plan, timings: Timings | None) -> Duration:
    """Add up requests, pauses and switches; starting the load takes too little to count."""
    if timings is None:
        return Duration(plan.request_count, None, (NO_REQUEST_TIMES,))
    tokens, full_length = _reply_tokens(plan.sampling, timings)
    courses = {(trial.modes, trial.phases): _course(trial, plan, timings, tokens) for trial in plan.trials}
    ran = [courses[trial.modes, trial.phases] for trial in plan.trials]
    seconds = sum(course.seconds for course in ran)
    seconds += plan.preload * _request_s(plan.trials[0].modes[0], timings, tokens)
    seconds += plan.pauses.between_trials_s * (len(plan.trials) - 1)
    seconds += _switches(plan) * (timings.switch_ms or 0.0) / 1000
    requests = plan.preload + sum(course.requests for course in ran)
    return Duration(requests, seconds, tuple(_unknown(plan, timings)), full_length)


def _unknown(plan: Plan, timings: Timings) -> list[str]:
    parts = []
    if timings.ttft_ms is None:
        parts.append("the time to a reply's first token")
    if timings.load_slowdown is None and any(trial.phases.load for trial in plan.trials):
        parts.append("how much slower requests are under load")
    if timings.switch_ms is None:
        parts.append("how long the server takes to come to another draft length")
    return parts


def _reply_tokens(sampling: Sampling, timings: Timings) -> tuple[float, bool]:
    """Return how many tokens a reply is taken to have, and whether that is the limit for want of knowledge."""
    if sampling.ignore_eos:
        return sampling.max_tokens, False
    if timings.reply_tokens is None or sampling.max_tokens > (timings.longest_reply or 0):
        return sampling.max_tokens, True
    return min(timings.reply_tokens, sampling.max_tokens), False


def _request_s(mode: str, timings: Timings, tokens: float) -> float:
    """Return the time of a request; of a mode that chooses k itself the mean over all that it may choose."""
    lengths = mode_named(mode).lengths
    tpot_ms = sum(timings.tpot_ms(length) for length in lengths) / len(lengths)
    return ((timings.ttft_ms or 0.0) + max(tokens - 1, 0) * tpot_ms) / 1000


def _course(trial: Trial, plan: Plan, timings: Timings, tokens: float) -> _Course:
    asked_s = sum(_request_s(mode, timings, tokens) for mode in trial.modes)
    step_s = asked_s + plan.pauses.after_step_s
    loaded_s = asked_s * (timings.load_slowdown or 1.0) + plan.pauses.after_step_s
    steps, measured_s = _measured(trial.phases, step_s, loaded_s)
    warmup_s = plan.warmup * (asked_s + plan.pauses.after_warmup_s)
    requests = requests_in(trial, plan.warmup)
    return _Course((plan.warmup + steps) * len(trial.modes) if requests is None else requests, warmup_s + measured_s)


def _measured(phases: PhasePlan, step_s: float, loaded_s: float) -> tuple[int, float]:
    """Return the steps of a trial and how long they take, given the time of a step without load and under it."""
    done, elapsed_s = 0, 0.0
    before, during = _around(phases.load, step_s, loaded_s)
    for steps, each_s in ((before, step_s), (during, loaded_s), (math.inf, step_s)):
        left = math.inf if phases.steps is None else phases.steps - done
        if phases.seconds is not None and each_s > 0:
            left = min(left, max(0, math.ceil((phases.seconds - elapsed_s) / each_s)))
        taken = int(min(steps, left)) if math.isfinite(min(steps, left)) else 0
        done, elapsed_s = done + taken, elapsed_s + taken * each_s
    return done, elapsed_s


def _around(window: LoadWindow | None, step_s: float, loaded_s: float) -> tuple[float, float]:
    """Return how many steps come before the load, and how many while it is on."""
    if window is None:
        return math.inf, 0
    first = window.start_step - 1 if window.start_step is not None else _steps_in(window.start_s or 0.0, step_s)
    to_stop = (
        math.inf if window.stop_step is None or window.start_step is None else window.stop_step - window.start_step
    )
    in_time = math.inf if window.duration_s is None else _steps_in(window.duration_s, loaded_s)
    return first, min(to_stop, in_time)


def _steps_in(seconds: float, each_s: float) -> float:
    return math.ceil(seconds / each_s) if each_s > 0 else math.inf


def _switches(plan: Plan) -> int:
    """Return how often the server has to be brought to another k than the trial before had, the first one included."""
    lengths = [mode_named(trial.modes[0]).warmup_length for trial in plan.trials]
    return sum(now != before for before, now in pairwise([None, *lengths]))
