"""What of a plan the journal already holds: what need not be measured again when a run goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from halospec.contention.loads import Load
from halospec.contention.profiles.profile import WINDOW
from halospec.experiment.plan import Plan, Trial, requests_in
from halospec.records.loads import LoadReport
from halospec.records.schema import PRELOAD, Phase, RequestRecord

TrialIds = Callable[[Trial], str]
"""Gives each trial of a plan the id that its records bear."""

Turn = tuple[int, str]
"""A request of a trial: its step, or its number among the warm-ups, and its mode."""


@dataclass(frozen=True)
class TrialCoverage:
    """What is known of a trial.

    Attributes
    ----------
    attempt
        The attempt that is complete, goes on, or comes next.
    done
        Whether nothing of it is left to do.
    warmed_up, measured
        Requests of this attempt that have ended.
    load_seen
        Whether one of them met the trial's load or came after it.
    """

    attempt: int = 1
    done: bool = False
    warmed_up: frozenset[Turn] = frozenset()
    measured: frozenset[Turn] = frozenset()
    load_seen: bool = False


_NOTHING = TrialCoverage()


@dataclass(frozen=True)
class Coverage:
    """What of a plan has been done; made by `coverage_of`.

    Attributes
    ----------
    global_step
        The highest so far.
    """

    trials: Mapping[Trial, TrialCoverage] = field(default_factory=dict)
    global_step: int = 0

    def of(self, trial: Trial) -> TrialCoverage:
        """Return what has been done of a trial."""
        return self.trials.get(trial, _NOTHING)

    def requests_left(self, plan: Plan) -> int | None:
        """Return how many requests are still to be sent, warm-up included; None where time decides."""
        left = 0
        for trial in plan.trials:
            so_far = self.of(trial)
            planned = requests_in(trial, plan.warmup)
            if so_far.done:
                continue
            if planned is None:
                return None
            left += planned - len(so_far.warmed_up) - len(so_far.measured)
        return left + plan.preload if left else 0


NOTHING_DONE = Coverage()


def coverage_of(
    plan: Plan, trial_ids: TrialIds, records: Iterable[RequestRecord], loads: Iterable[LoadReport] = ()
) -> Coverage:
    """Return what the journal holds of a plan.

    A trial in which modes take turns goes on at the next request where steps alone decide what happens in it. Any
    other that is not complete has to be begun anew: a controller's state died with the process, and so did time.

    Parameters
    ----------
    records
        The whole journal, void records included: they count for the numbers that have been used.
    loads
        The whole of ``load.jsonl``. A trial that is limited by time says there how many steps it came to.
    """
    attempts: defaultdict[str, defaultdict[int, _Attempt]] = defaultdict(lambda: defaultdict(_Attempt))
    global_step = 0
    for record in records:
        global_step = max(global_step, record.global_step)
        if record.trial_id is not None and record.mode != PRELOAD:
            attempts[record.trial_id][record.trial_attempt].take_in(record)
    for load in loads:
        if load.trial_id is not None and load.steps is not None:
            attempts[load.trial_id][load.trial_attempt].steps = load.steps
    return Coverage(
        {
            trial: _coverage(trial, attempts.get(trial_ids(trial), {}), can_go_on=_can_go_on(trial, plan.loads))
            for trial in plan.trials
        },
        global_step,
    )


@dataclass
class _Attempt:
    """The requests of one attempt at a trial, as they come out of the journal."""

    warmed_up: set[Turn] = field(default_factory=set)
    measured: set[Turn] = field(default_factory=set)
    load_seen: bool = False
    steps: int | None = None

    def take_in(self, record: RequestRecord) -> None:
        if record.void:
            return
        if record.is_warmup:
            self.warmed_up.add((record.step, record.mode))
            return
        self.measured.add((record.step, record.mode))
        self.load_seen |= record.load_overlap > 0 or record.phase is not Phase.STEADY


def _coverage(trial: Trial, attempts: Mapping[int, _Attempt], *, can_go_on: bool) -> TrialCoverage:
    if not attempts:
        return _NOTHING
    number, latest = max(attempts.items(), key=lambda item: item[0])
    done = _is_complete(trial, latest)
    goes_on = can_go_on and bool(latest.warmed_up or latest.measured)
    if not (done or goes_on):
        return TrialCoverage(number + 1)
    return TrialCoverage(
        number, done, frozenset(latest.warmed_up), frozenset(latest.measured), load_seen=latest.load_seen
    )


def _is_complete(trial: Trial, attempt: _Attempt) -> bool:
    steps = attempt.steps if trial.phases.steps is None else trial.phases.steps
    return steps is not None and attempt.measured.issuperset(product(range(1, steps + 1), trial.modes))


def _can_go_on(trial: Trial, loads: Sequence[Load]) -> bool:
    window = trial.phases.load
    by_the_clock = window is not None and (
        window.start_s is not None
        or window.duration_s is not None
        # A course in time would begin anew in the middle of the load.
        or any(load.profile != WINDOW for load in loads)
    )
    return bool(trial.together) and trial.phases.steps is not None and not by_the_clock
