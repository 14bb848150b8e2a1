"""The cost model inside a server: a decision before every round, on what all texts and this one have shown."""

from __future__ import annotations

import random

from halospec.controllers.cost_model.acceptance import Acceptance, TextAcceptance
from halospec.controllers.cost_model.cusum import Cusum
from halospec.controllers.cost_model.exploring import any_neighbour, cheapest_probe, looked_at, worth_trying
from halospec.controllers.cost_model.limits import permitted
from halospec.controllers.cost_model.prediction import Prediction, predict
from halospec.controllers.cost_model.regimes import Passes, Regimes
from halospec.controllers.cost_model.settings import CostModelSettings
from halospec.controllers.cost_model.settling import settled
from halospec.controllers.decision import Decision, Setting
from halospec.controllers.missed import AT_THE_START, missed_after
from halospec.controllers.per_round import DraftStop, Threads
from halospec.controllers.protocol import RoundOutcome

_WEIGH_EVERY = 4
"""Rounds between two evaluations, as long as nothing changes."""
_MOST_SAVED = 400.0
"""Rounds over which time is set aside at most."""
_LEAST_LOSS = 0.03
"""Of a try out of not drafting: a prediction that it costs nothing is worth little, for lack of recent drafts."""
_FIRST_PROBES = 2.0
"""Rounds with each setting of the threads before it is judged."""
_SURPRISE = 2.5
"""A probe that deviates by more standard deviations is repeated at once."""


class CostModelRule:
    """What is learned from all texts: acceptance by position, and the costs of every state of the machine.

    Parameters
    ----------
    threads
        What the server offers; only looked at with ``joint``.
    """

    def __init__(self, settings: CostModelSettings, threads: Threads) -> None:
        self.settings = settings
        chart = Cusum(settings.slack, settings.acceptance_alarm)
        self.acceptance = Acceptance(max(settings.max_length, 1), settings.acceptance_memory, chart)
        self.regimes = Regimes(settings)
        self.random = random.Random(settings.seed)  # noqa: S311
        self.offered = threads.offered if settings.joint and threads.offered else ()
        self.threads: tuple[int, int] = self.offered[0] if self.offered else (0, 0)
        """In force where none are chosen: the first offered, or what the last rounds ran with."""
        self.length = settings.start_length
        """What the last text had come to; where the next begins."""
        self.length_credit_ms = self.threads_credit_ms = 0.0
        """Time set aside for trying other lengths than the best, and other threads."""

    def earn(self, duration_ms: float) -> None:
        """Set aside a share of what a round took, for tries."""
        settings = self.settings
        fewer_than_most = any(threads > self.threads[0] for threads, _ in self.offered)
        for_lengths_ms = settings.probe_share * duration_ms
        for_threads_ms = settings.thread_probe_share * duration_ms if fewer_than_most else for_lengths_ms
        self.length_credit_ms = min(self.length_credit_ms + for_lengths_ms, _MOST_SAVED * for_lengths_ms)
        self.threads_credit_ms = min(self.threads_credit_ms + for_threads_ms, _MOST_SAVED * for_threads_ms)

    def for_text(self) -> CostModelText:
        """Return the rule at the beginning of a text."""
        return CostModelText(self)


class CostModelText:
    """The rule at work on one text."""

    stop: DraftStop | None = None

    def __init__(self, rule: CostModelRule) -> None:
        self._rule = rule
        self._settings = rule.settings
        self._text = TextAcceptance(rule.acceptance, rule.settings.text_spread, rule.settings.text_memory)
        self._missed = AT_THE_START
        self._sequences = 1
        self._due = 0
        self._weighed: list[Prediction] = []
        self._looked_at: list[Prediction] = []
        self._allowed: list[Prediction] = []
        self._best: Prediction | None = None
        self._chosen = Setting(rule.length)
        self._asked = rule.threads
        self._repeat: Setting | None = None
        self._not_granted: set[tuple[int, int]] = set()
        """Threads that this text's request has others for."""
        self._probing = False
        self._reason = self._why_best = "nothing is known yet"
        self._alarms: tuple[str, ...] = ()
        self._heard: tuple[str, ...] = ()

    def choose(self, sequences: int = 1) -> Setting:
        """Return what the next round is to use."""
        if sequences != self._sequences:
            self._sequences, self._due = sequences, 0
        rule = self._rule
        if self._due <= 0 and rule.threads != (0, 0) and rule.regimes.now.rounds > 0:
            self._weigh()
        self._due -= 1
        self._probing = False
        self._reason = self._why_best
        setting = self._tried() or self._settled()
        self._asked = (
            (setting.threads or rule.threads[0], setting.draft_threads or rule.threads[1])
            if rule.offered
            else rule.threads
        )
        if setting != self._chosen:
            self._alarms, self._heard = self._heard, ()
        self._chosen = setting
        return setting

    def update(self, done: RoundOutcome) -> None:
        """Learn from a round that has ended."""
        rule = self._rule
        threads = (done.threads, done.draft_threads or self._asked[1])
        if not rule.offered:
            rule.threads = threads
        passes = Passes(
            target=(threads[0], done.sequences),
            draft=(threads[1], done.sequences),
            width=max(done.width, done.k + 1),
            k=done.k,
            missed=self._missed,
            draft_ms=done.draft_ms,
            verify_ms=done.verify_ms,
        )
        surprise = rule.regimes.now.deviation(passes) if self._probing else None
        alarms = []
        changed = rule.regimes.add(passes)
        if changed is not None:
            alarms.append(changed)
        expected = self._text.hazards()
        self._text.add(done.k, done.accepted)
        if rule.acceptance.add(done.k, done.accepted, expected=expected):
            alarms.append("acceptance is not what it was")
        self._missed = missed_after(self._missed, done.k, done.accepted)
        self._repeat = None
        if alarms:
            self._heard = (*self._heard, *alarms)
            self._due = 0
        elif self._probing and (done.threads, done.draft_threads or self._asked[1]) != self._asked:
            self._not_granted.add(self._asked)
        elif surprise is not None and abs(surprise) > _SURPRISE:
            self._repeat = self._chosen
        rule.earn(done.duration_ms)

    def explain(self) -> Decision:
        """Say what was chosen last and why."""
        joint = bool(self._rule.offered)
        return Decision(
            chosen=self._chosen,
            reason=self._reason,
            candidates=tuple(one.candidate(joint=joint) for one in self._weighed),
            acceptance=tuple(round(hazard, 4) for hazard in self._text.hazards()),
            alarms=self._alarms,
        )

    def _weigh(self) -> None:
        """Predict every setting anew, and move to the best one if it is better by more than the hysteresis."""
        rule, settings = self._rule, self._settings
        hazards, trials = self._text.hazards(), rule.acceptance.trials
        lengths = range(settings.min_length, settings.max_length + 1)
        regime = rule.regimes.now
        self._weighed = [
            one
            for threads in rule.offered or (rule.threads,)
            for one in predict(regime, hazards, trials, lengths, threads, self._sequences, self._missed)
        ]
        self._looked_at = looked_at(self._weighed, trials)
        self._allowed = permitted(self._looked_at, regime.spread, settings)
        self._best, self._why_best = settled(self._allowed, (rule.length, *rule.threads), settings)
        rule.length = self._best.k
        if rule.offered:
            rule.threads = (self._best.threads, self._best.draft_threads)
        self._due = _WEIGH_EVERY

    def _settled(self) -> Setting:
        return self._setting(self._best) if self._best is not None else Setting(self._rule.length)

    def _setting(self, one: Prediction) -> Setting:
        if not self._rule.offered:
            return Setting(one.k)
        return Setting(one.k, one.threads, one.draft_threads)

    def _tried(self) -> Setting | None:
        """Return something else than the best setting, if it is time to learn what that is worth."""
        if self._best is None:
            return None
        if self._repeat is not None:
            self._probing = True
            self._reason = "tried again: the last try was not as predicted"
            return self._repeat
        found = self._other_threads() or self._out_of_no_draft() or self._dithered()
        return None if found is None else self._setting(found)

    def _dithered(self) -> Prediction | None:
        rule, settings, best = self._rule, self._settings, self._best
        if best is None or (best.k == 0 and self._missed > 2):
            return None
        draw = rule.random.random()
        fresh = rule.regimes.now.rounds < settings.fresh_rounds
        if draw >= max(settings.fresh_dither if fresh else settings.dither, settings.settled_dither):
            return None
        here = self._with_threads(best.threads, best.draft_threads)
        found = worth_trying(here, best, settings, fresh=fresh)
        if found is None and draw < settings.settled_dither:
            found = any_neighbour(here, best, settings.reach, draw / settings.settled_dither)
        if found is None or not (fresh or self._afford(found.loss_ms(best.ms_per_token))):
            return None
        self._reason = "tried: of this length little is known lately"
        return found

    def _out_of_no_draft(self) -> Prediction | None:
        """Draft although not drafting is predicted to be best: mostly where the draft model has missed little."""
        rule, best = self._rule, self._best
        if best is None or best.k > 0 or self._settings.max_length == 0:
            return None
        here = self._with_threads(best.threads, best.draft_threads)
        found = min((one for one in here if one.k > 0), key=lambda one: one.ms_per_token, default=None)
        if found is None:
            return None
        regime = rule.regimes.now
        catch_up_ms = regime.draft((best.draft_threads, self._sequences)).per_missed_ms * max(self._missed - 2, 0)
        if not self._afford(max(found.loss_ms(best.ms_per_token), _LEAST_LOSS * found.ms) + catch_up_ms):
            return None
        self._reason = "tried: whether drafting still does not pay"
        return found

    def _afford(self, loss_ms: float) -> bool:
        """Pay for a try out of the share of the time that is set aside for it; return whether there is enough."""
        if self._rule.length_credit_ms < loss_ms:
            return False
        self._rule.length_credit_ms -= max(loss_ms, 0.0)
        return True

    def _other_threads(self) -> Prediction | None:
        """Try other threads: all in turn while nothing is known of them, later as often as it costs little."""
        rule, best = self._rule, self._best
        if not rule.offered or best is None:
            return None
        regime, sequences = rule.regimes.now, self._sequences
        for threads in rule.offered:
            if threads in self._not_granted:
                continue
            is_new = regime.verify((threads[0], sequences)).rounds < _FIRST_PROBES
            draft_is_new = regime.draft((threads[1], sequences)).rounds < _FIRST_PROBES
            if is_new or (draft_is_new and best.k > 0):
                wanted = min(max(best.k, 1), 2) if draft_is_new and best.k > 0 else self._settings.min_length
                self._probing = True
                self._reason = "tried: these threads are unknown in this state of the machine"
                # Whatever the limits are: what nobody has tried is not known to exceed them.
                with_these = (one for one in self._looked_at if (one.threads, one.draft_threads) == threads)
                return next((one for one in with_these if one.k >= wanted), None)
        others = [threads for threads in rule.offered if threads[0] != best.threads]
        if not others:
            return None
        least = min(others, key=lambda threads: regime.verify((threads[0], sequences)).rounds)
        probe = cheapest_probe(self._with_threads(*least), best.ms_per_token)
        if probe is None or rule.threads_credit_ms < probe.loss_ms(best.ms_per_token):
            return None
        rule.threads_credit_ms -= max(probe.loss_ms(best.ms_per_token), 0.0)
        self._probing = True
        self._reason = "tried: whether other threads are still slower"
        return probe

    def _with_threads(self, threads: int, draft_threads: int) -> list[Prediction]:
        return [one for one in self._allowed if (one.threads, one.draft_threads) == (threads, draft_threads)]
