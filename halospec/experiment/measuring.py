"""Carrying out a plan trial by trial: all of it on disk, in the time there is, with more blocks where needed."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from halospec.analysis.loading import requests_of
from halospec.analysis.precision import PILOT_BLOCKS, Standing, standing
from halospec.analysis.requests import Requests
from halospec.config import RunSettings
from halospec.contention.protocol import Injector
from halospec.contention.together import injector_for
from halospec.endpoints.retry import RetryPolicy
from halospec.experiment.coverage import Coverage
from halospec.experiment.forecast import counted, forecast, forecast_sentences, spoken_duration, steps_by_phase
from halospec.experiment.knob_choice import KnobChoice
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.plan_file import write_plan
from halospec.experiment.precision import Precision, standing_sentence
from halospec.experiment.run_manifest import trial_ids_of, with_plan
from halospec.experiment.runner import Observer, Runner
from halospec.experiment.scatter import scatter_of
from halospec.experiment.timings import Timings, recorded_timings, switch_ms_of
from halospec.experiment.watching import RunTelemetry, WatchedKeeping
from halospec.records.manifest import Manifest, write_manifest
from halospec.records.store import RunFiles, read_records
from halospec.target import Target

_MOST_TIMES_AS_MANY = 10
"""So many times the blocks that there are may be planned at once."""


class MeasuringObserver(Observer, Protocol):
    """Watches the measuring."""

    def run_planned(self, choice: KnobChoice, requests: int | None) -> None:
        """Learn through which knob the run goes, and how many requests are to come; None where time decides."""
        ...

    def run_extended(self, requests: int | None) -> None:
        """Learn that the plan has grown, and how many requests are to come."""
        ...

    def told(self, sentence: str) -> None:
        """Learn something that the user should read."""
        ...


@dataclass
class Measuring:
    """One process's part in a run.

    Attributes
    ----------
    plan, manifest
        As they stand: both grow where blocks are added.
    """

    settings: RunSettings
    plan: Plan
    target: Target
    choice: KnobChoice
    manifest: Manifest
    files: RunFiles
    observer: MeasuringObserver
    telemetry: RunTelemetry
    _done: set[tuple[int, str]] = field(default_factory=set)

    async def run(self, progress: Coverage) -> str | None:
        """Run what is left of the plan, and more if precision was asked for; return why it ended before that, if so."""
        began_ns = self.target.clock()
        self._done = {(trial.block, trial.mode) for trial in self.plan.trials if progress.of(trial).done}
        self.observer.run_planned(self.choice, progress.requests_left(self.plan))
        with WatchedKeeping(self.files, self.observer, self.telemetry) as keeping:
            async with self.target.endpoint(self.choice.knob) as endpoint:
                runner = Runner(
                    endpoint,
                    self.choice.knob,
                    self._injector,
                    keeping,
                    self.target.clock,
                    trial_ids=self._trial_id,
                    nonces_of=datetime.now(UTC).isoformat() if self._needs_nonces() else None,
                    retries=RetryPolicy(),
                    max_failures=self.settings.max_failures,
                    placebo=self.choice.placebo,
                )
                while await self._carry_out(runner, progress, began_ns):
                    if not self._extended(began_ns):
                        return None
        return self._cut_short()

    def _cut_short(self) -> str:
        """Say that the time was up, and return it as the reason why the run ended."""
        left = sum(not self._is_done_here(trial) for trial in self.plan.trials)
        reason = f"its time was up after {self.settings.max_minutes:g} minutes"
        missing = f"{counted(left, 'trial')} of {len(self.plan.trials):,} are left"
        if self.settings.precision is not None:
            missing += " and the precision that was asked for was not reached"
        go_on = f"halospec run --resume {shlex.quote(str(self.files.directory))}"
        self.observer.told(f"The run ends here: {reason}. {missing}; `{go_on}` goes on.")
        return reason

    async def _carry_out(self, runner: Runner, progress: Coverage, began_ns: int) -> bool:
        """Run the trials that are left; return whether there was time for all."""
        for trial in self.plan.trials:
            if self._is_done_here(trial):
                continue
            if self._time_is_up(began_ns):
                return False
            await runner.run(replace(self.plan, trials=(trial,)), progress)
            self._done.add((trial.block, trial.mode))
            if self._is_pilot(trial):
                self._tell_what_the_pilot_tells()
        return True

    def _is_done_here(self, trial: Trial) -> bool:
        return (trial.block, trial.mode) in self._done

    def _is_pilot(self, trial: Trial) -> bool:
        """Tell whether a trial is the last of the first block, with others to come."""
        first = [one for one in self.plan.trials if one.block == 1]
        return trial == first[-1] and self.plan.blocks > 1

    def _tell_what_the_pilot_tells(self) -> None:
        requests = self._requests()
        timings = self._timings(requests)
        left = [trial for trial in self.plan.trials if not self._is_done_here(trial)]
        rest = replace(self.plan, trials=tuple(left), preload=0)
        seconds = forecast(rest, timings).duration.seconds
        if seconds is not None:
            self.observer.told(f"The first block is done; about {spoken_duration(seconds)} to go.")
        scatter = scatter_of(requests, steps_by_phase(self.plan.trials[0].phases))
        found = forecast(self.plan, timings, scatter)
        if found.detectable:
            for sentence in forecast_sentences(found)[1:]:
                self.observer.told(sentence)

    def _extended(self, began_ns: int) -> bool:
        """Add blocks that the precision asked for still takes; return whether there are any."""
        wanted = precision_of(self.settings)
        if wanted is None:
            return False
        requests = self._requests()
        now = _standing(requests, wanted, self.plan)
        if now is None:
            self.observer.told("No interval can be computed, so no precision can be reached.")
            return False
        self.observer.told(standing_sentence(now, wanted))
        if now.is_reached:
            return False
        self._tell_how_long_it_takes(now, requests, began_ns)
        # Not all at once: a wish that no time suffices for is no reason to plan a million trials.
        most = _MOST_TIMES_AS_MANY * self.plan.blocks
        self.plan = self.plan.with_blocks(min(max(now.blocks_needed, self.plan.blocks + 1), most))
        self.manifest = with_plan(self.manifest, self.plan)
        # The manifest first: a plan whose trials have no identity yet could not be gone on with.
        write_manifest(self.manifest, self.files.manifest)
        write_plan(self.plan, self.files.plan)
        left = tuple(trial for trial in self.plan.trials if not self._is_done_here(trial))
        self.observer.run_extended(replace(self.plan, trials=left, preload=0).request_count)
        return True

    def _tell_how_long_it_takes(self, now: Standing, requests: Requests, began_ns: int) -> None:
        block = self.plan.with_blocks(1)
        timings = self._timings(requests)
        each_s = forecast(replace(block, preload=0), timings).duration.seconds
        if each_s is None:
            return
        left_s = max(now.blocks_needed - self.plan.blocks, 1) * each_s
        sentence = f"That is about {spoken_duration(left_s)} more."
        if left_s > self._time_left_s(began_ns):
            sentence = f"That is about {spoken_duration(left_s)} more; its time will be up before that."
        self.observer.told(sentence)

    def _timings(self, requests: Requests) -> Timings | None:
        timings = recorded_timings(requests, switch_ms_of(self.choice.report))
        return None if timings is None else timings.of_replies_up_to(self.plan.sampling.max_tokens)

    def _requests(self) -> Requests:
        return requests_of(read_records(self.files.records).records)

    def _time_left_s(self, began_ns: int) -> float:
        limit = self.settings.max_minutes
        return math.inf if limit is None else limit * 60 - (self.target.clock() - began_ns) / 1e9

    def _time_is_up(self, began_ns: int) -> bool:
        return self._time_left_s(began_ns) <= 0

    def _needs_nonces(self) -> bool:
        wanted = self.settings.nonce
        return not self.target.server.dialect.cache_prompt if wanted is None else wanted

    def _trial_id(self, trial: Trial) -> str:
        return trial_ids_of(self.manifest)(trial)

    def _injector(self) -> Injector:
        return self.telemetry.watched(injector_for(self.plan.loads, self.target.clock))


def needs_more_blocks(settings: RunSettings, plan: Plan, files: RunFiles) -> bool:
    """Tell whether a plan that has been carried out is still to grow, for a precision that was asked for."""
    wanted = precision_of(settings)
    if wanted is None:
        return False
    now = _standing(requests_of(read_records(files.records).records), wanted, plan)
    return now is not None and not now.is_reached


def _standing(requests: Requests, wanted: Precision, plan: Plan) -> Standing | None:
    return standing(
        requests,
        within=wanted.within,
        pilot_blocks=wanted.pilot_blocks,
        reference=wanted.reference,
        phases=wanted.phases,
        seed=plan.seed,
    )


def precision_of(settings: RunSettings) -> Precision | None:
    """Return the precision that a run is to reach; None if it has a fixed number of blocks."""
    if settings.precision is None:
        return None
    pilot_blocks = settings.blocks or PILOT_BLOCKS
    return Precision(settings.precision, pilot_blocks, settings.reference, settings.precision_phases)
