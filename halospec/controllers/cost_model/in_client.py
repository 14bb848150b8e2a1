"""The cost model in the client: a decision before every request, on round logs or, from other servers, on totals."""

from __future__ import annotations

import random
from collections.abc import Sequence

from halospec.controllers.cost_model.acceptance import Acceptance
from halospec.controllers.cost_model.cusum import Cusum
from halospec.controllers.cost_model.exploring import any_neighbour, looked_at, worth_trying
from halospec.controllers.cost_model.limits import permitted
from halospec.controllers.cost_model.prediction import Prediction, predict
from halospec.controllers.cost_model.regimes import Passes, Regimes
from halospec.controllers.cost_model.settings import CostModelSettings
from halospec.controllers.cost_model.settling import settled
from halospec.controllers.decision import Decision, Setting
from halospec.controllers.missed import AT_THE_START, missed_after
from halospec.controllers.protocol import Outcome

_ALONE = 1
_MOST_SAVED = 50.0
"""Requests over which time is set aside at most."""


class CostModelController:
    """Chooses the draft length of whole requests.

    A server that logs its rounds shows the cost of every length that rounds were cut down to, and which positions were
    accepted. One that reports totals shows the mean cost of a round, from the tokens that were not accepted: a request
    of n tokens after its first, A of them accepted, took n - A rounds. One that does not say how many drafted tokens
    were accepted teaches nothing, and the length stays where it starts.

    Parameters
    ----------
    warmup
        What the requests before the first choice have shown.
    """

    def __init__(self, settings: CostModelSettings, warmup: Sequence[Outcome] = ()) -> None:
        self._settings = settings
        chart = Cusum(settings.slack, settings.acceptance_alarm)
        self._acceptance = Acceptance(max(settings.max_length, 1), settings.acceptance_memory, chart)
        self._regimes: Regimes | None = None
        self._random = random.Random(settings.seed)  # noqa: S311
        self._threads = (0, 0)
        self._length = settings.start_length
        self._chosen = settings.start_length
        self._credit_ms = 0.0
        self._tokens = 0
        self._weighed: list[Prediction] = []
        self._reason = "nothing is known yet"
        self._alarms: tuple[str, ...] = ()
        for outcome in warmup:
            self.update(outcome)

    def choose(self) -> int:
        """Return the draft length of the next request."""
        self._chosen = self._length if self._regimes is None else self._weigh(self._regimes)
        return self._chosen

    def update(self, outcome: Outcome) -> None:
        """Learn from a request that has ended; a failed one says nothing of costs."""
        self._alarms = ()
        if not outcome.success:
            return
        self._tokens = outcome.completion_tokens or self._tokens
        earned_ms = self._settings.request_probe_share * (outcome.decode_ms or outcome.latency_ms)
        self._credit_ms = min(self._credit_ms + earned_ms, _MOST_SAVED * earned_ms)
        alarms = self._learn_rounds(outcome) if _is_timed(outcome) else self._learn_totals(outcome)
        self._alarms = tuple(dict.fromkeys(alarms))

    def explain(self) -> Decision:
        """Say what was chosen last and why."""
        return Decision(
            chosen=Setting(self._chosen),
            reason=self._reason,
            candidates=tuple(one.candidate(joint=False) for one in self._weighed),
            acceptance=tuple(round(hazard, 4) for hazard in self._acceptance.hazards),
            alarms=self._alarms,
        )

    def _weigh(self, regimes: Regimes) -> int:
        settings, regime = self._settings, regimes.now
        lengths = range(settings.min_length, settings.max_length + 1)
        acceptance = self._acceptance
        self._weighed = predict(
            regime, acceptance.hazards, acceptance.trials, lengths, self._threads, _ALONE, AT_THE_START
        )
        allowed = permitted(looked_at(self._weighed, acceptance.trials), regime.spread, settings)
        best, self._reason = settled(allowed, (self._length, *self._threads), settings)
        self._length = best.k
        tried = self._tried(allowed, best, fresh=regime.rounds < settings.fresh_rounds)
        if tried is None:
            return best.k
        of_what = "of this length little is known lately" if best.k else "whether drafting still does not pay"
        self._reason = f"tried: {of_what}"
        return tried.k

    def _tried(self, allowed: list[Prediction], best: Prediction, *, fresh: bool) -> Prediction | None:
        settings = self._settings
        if best.k == 0:
            drafting = (one for one in allowed if one.k > 0)
            return self._affordable(min(drafting, key=lambda one: one.ms_per_token, default=None), best)
        draw = self._random.random()
        if draw < (settings.fresh_dither if fresh else settings.dither):
            found = worth_trying(allowed, best, settings, fresh=fresh)
            if found is not None:
                return found
        if draw < settings.settled_dither:
            return any_neighbour(allowed, best, settings.reach, draw / settings.settled_dither)
        return None

    def _affordable(self, other: Prediction | None, best: Prediction) -> Prediction | None:
        """Return a length if a request with it may be paid for out of the share of the time that is set aside."""
        if other is None:
            return None
        loss_ms = self._tokens * (other.ms_per_token - best.ms_per_token)
        if self._credit_ms < loss_ms:
            return None
        self._credit_ms -= max(loss_ms, 0.0)
        return other

    def _learn_rounds(self, outcome: Outcome) -> list[str]:
        regimes = self._known_by(whole_rounds=False)
        alarms, missed = [], AT_THE_START
        for done in outcome.round_log:
            self._threads = (done.threads, done.draft_threads or self._threads[1])
            changed = regimes.add(
                Passes(
                    target=(done.threads, _ALONE),
                    draft=(self._threads[1], _ALONE),
                    width=max(done.width, done.k + 1) if done.sequences > 1 else done.k + 1,
                    k=done.k,
                    missed=missed,
                    draft_ms=done.draft_ms,
                    verify_ms=done.verify_ms,
                )
            )
            if changed is not None:
                alarms.append(changed)
            if self._acceptance.add(done.k, done.accepted):
                alarms.append("acceptance is not what it was")
            missed = missed_after(missed, done.k, done.accepted)
        return alarms

    def _learn_totals(self, outcome: Outcome) -> list[str]:
        tokens, accepted = outcome.completion_tokens, outcome.accepted
        if accepted is None and outcome.draft_length == 0:
            accepted = 0
        if tokens is None or accepted is None or tokens < 2:
            return []
        rounds = max(tokens - 1 - accepted, 1)
        # Where all tokens came in one piece, only the latency tells what they took.
        round_ms = (outcome.decode_ms or outcome.latency_ms) / rounds
        k = outcome.draft_length
        passes = Passes((0, _ALONE), (0, _ALONE), k + 1, k, AT_THE_START, 0.0, round_ms, float(rounds))
        changed = self._known_by(whole_rounds=True).add(passes)
        self._acceptance.add_totals(k, accepted, rounds)
        return [] if changed is None else [changed]

    def _known_by(self, *, whole_rounds: bool) -> Regimes:
        """Return what is known of costs; begin anew if the server has started, or stopped, to log its rounds."""
        if self._regimes is None or self._regimes.whole_rounds != whole_rounds:
            self._regimes = Regimes(self._settings, whole_rounds=whole_rounds)
        return self._regimes


def _is_timed(outcome: Outcome) -> bool:
    """Tell whether the server logged what its rounds took."""
    return any(done.duration_ms > 0.0 for done in outcome.round_log)
