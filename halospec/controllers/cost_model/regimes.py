"""States of the machine: what passes cost in each, which one holds, and when it no longer does.

A CUSUM chart watches how rounds compare with what the present regime predicts. Once it raises an alarm, the rounds
since the change began are held against every regime that is remembered: a machine that was loaded before is recognised
within a few rounds, and everything that was learned of it holds again. Otherwise a new regime begins, with the curves
of the old one stretched to the first rounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from halospec.controllers.cost_model.costs import CATCH_UP_GUESS, DRAFT_GUESS, SLOPE_GUESS, DraftCost, VerifyCost
from halospec.controllers.cost_model.cusum import Cusum
from halospec.controllers.cost_model.settings import CostModelSettings

_LEAST_SPREAD = 0.08
_FIRST_SPREAD = 0.15
_SPREAD_MEMORY = 0.98
_SUSPICIOUS = 1.5
"""From this level of the chart on rounds wait for its verdict before they count."""
_MOST_WAITING = 12
_LIKE = 2.5
"""A remembered regime is recognised if the rounds deviate from it by no more than so many standard deviations."""
_ENOUGH = 3.0
_KEPT_IN_DRIFT = 0.4


@dataclass(frozen=True, slots=True)
class Passes:
    """Of a round: whose passes they were, what they held and took.

    Attributes
    ----------
    target, draft
        Threads and sequences of the target's pass, and of the draft's; the draft's also where nothing was drafted.
    weight
        How many rounds like this one there were: more than 1 where only their total is known.
    """

    target: tuple[int, int]
    draft: tuple[int, int]
    width: int
    k: int
    missed: int
    draft_ms: float
    verify_ms: float
    weight: float = 1.0

    @property
    def ms(self) -> float:
        """What the round took."""
        return self.draft_ms + self.verify_ms


class Regime:
    """Costs in one state of the machine, by threads and sequences.

    Parameters
    ----------
    whole_rounds
        Only the duration of whole rounds is known: drafting is part of what is taken for the target's pass.
    """

    def __init__(self, settings: CostModelSettings, number: int, *, whole_rounds: bool = False) -> None:
        self.number = number
        self.whole_rounds = whole_rounds
        self.rounds = 0
        self.spread = _FIRST_SPREAD
        """Standard deviation of a round's time, relative to what it is expected to be."""
        self._settings = settings
        self._verify: dict[tuple[int, int], VerifyCost] = {}
        self._draft: dict[tuple[int, int], DraftCost] = {}

    def verify(self, target: tuple[int, int]) -> VerifyCost:
        """Return the target's cost with such threads; an educated guess where there is none."""
        found = self._verify.get(target)
        if found is None:
            like = _nearest(self._verify, target)
            found = self._first_verify() if like is None else self._verify[like].stretched(1.0)
            self._verify[target] = found
        return found

    def _first_verify(self) -> VerifyCost:
        slope = SLOPE_GUESS + DRAFT_GUESS if self.whole_rounds else SLOPE_GUESS
        return VerifyCost(None, self._settings.cost_memory, self._settings.shape_rounds, slope)

    def draft(self, draft: tuple[int, int]) -> DraftCost:
        """Return the draft's cost with such threads; an educated guess where there is none."""
        found = self._draft.get(draft)
        if found is None:
            like = _nearest(self._draft, draft)
            memory = self._settings.cost_memory
            found = DraftCost(None, 0.0, memory) if like is None else self._draft[like].stretched(1.0)
            self._draft[draft] = found
        return found

    def expected_ms(self, target: tuple[int, int], draft: tuple[int, int], width: int, k: int, missed: float) -> float:
        """Return the expected duration of a round."""
        verify = self.verify(target)
        if k == 0:
            return verify.ms(width)
        per_token_ms, per_missed_ms = self.drafting_ms(verify, self.draft(draft))
        return verify.ms(width) + per_token_ms * k + per_missed_ms * (missed - 1.0)

    def drafting_ms(self, verify: VerifyCost, drafting: DraftCost) -> tuple[float, float]:
        """Return what each drafted token, and each that the draft had missed besides the last, is expected to cost."""
        if self.whole_rounds:
            return 0.0, 0.0
        if drafting.is_guess:
            guess = DRAFT_GUESS * verify.ms(1)
            return guess, CATCH_UP_GUESS * guess
        return drafting.per_token_ms, drafting.per_missed_ms

    def deviation(self, round_: Passes) -> float | None:
        """Return a round's deviation from what was expected, in standard deviations; None where little is known."""
        if not self._foresees(round_):
            return None
        return self._log_ratio(round_) / max(self.spread, _LEAST_SPREAD)

    def add(self, round_: Passes) -> None:
        """Count a round."""
        if self._foresees(round_):
            off = min(abs(self._log_ratio(round_)), 3.0 * max(self.spread, _LEAST_SPREAD))
            variance = _SPREAD_MEMORY * self.spread**2 + (1 - _SPREAD_MEMORY) * off * off
            self.spread = math.sqrt(variance)
        self.rounds += round(round_.weight)
        self.verify(round_.target).add(round_.width, round_.verify_ms, round_.weight)
        if round_.k > 0 and round_.draft_ms > 0.0:
            self.draft(round_.draft).add(round_.k, round_.missed, round_.draft_ms)

    def forget(self, kept: float) -> None:
        """Let everything so far count for less."""
        for verify in self._verify.values():
            verify.forget(kept)
        for draft in self._draft.values():
            draft.forget(kept)

    def shift(self, rounds: Sequence[Passes]) -> float:
        """Return by how much rounds differ from what was expected: the mean of the log ratio."""
        return sum(self._log_ratio(round_) for round_ in rounds) / len(rounds)

    def stretched(self, rounds: Sequence[Passes], number: int) -> Regime:
        """Return a new regime with this one's curves, stretched to some first rounds."""
        verify_factor = _ratio(
            [round_.verify_ms for round_ in rounds], [self.verify(round_.target).ms(round_.width) for round_ in rounds]
        )
        drafted = [round_ for round_ in rounds if round_.k > 0 and not self.draft(round_.draft).is_guess]
        draft_factor = (
            _ratio(
                [round_.draft_ms for round_ in drafted],
                [self.draft(round_.draft).ms(round_.k, round_.missed) for round_ in drafted],
            )
            if drafted
            else verify_factor
        )
        new = Regime(self._settings, number, whole_rounds=self.whole_rounds)
        new._verify = {key: cost.stretched(verify_factor) for key, cost in self._verify.items()}
        new._draft = {key: cost.stretched(draft_factor) for key, cost in self._draft.items()}
        new.spread = self.spread
        return new

    def _foresees(self, round_: Passes) -> bool:
        if self.verify(round_.target).rounds < _ENOUGH:
            return False
        return round_.k == 0 or self.whole_rounds or self.draft(round_.draft).rounds >= _ENOUGH

    def _log_ratio(self, round_: Passes) -> float:
        expected = self.expected_ms(round_.target, round_.draft, round_.width, round_.k, round_.missed)
        return math.log(max(round_.ms, 1e-6) / max(expected, 1e-6))


class Regimes:
    """The regimes that are remembered, and the one that holds."""

    def __init__(self, settings: CostModelSettings, *, whole_rounds: bool = False) -> None:
        self.whole_rounds = whole_rounds
        self._settings = settings
        self._chart = Cusum(settings.slack, settings.cost_alarm)
        self._remembered = [Regime(settings, 1, whole_rounds=whole_rounds)]
        self._numbers = 1
        self._waiting: list[Passes] = []
        self.now = self._remembered[0]

    def add(self, round_: Passes) -> str | None:
        """Take in a round; return what was found to have changed, in a few words. One without a time says nothing."""
        if round_.verify_ms <= 0.0:
            return None
        deviation = self.now.deviation(round_)
        alarm = deviation is not None and self._chart.add(deviation)
        self._waiting.append(round_)
        if alarm:
            return self._change()
        if self._chart.level < _SUSPICIOUS or len(self._waiting) > _MOST_WAITING:
            self._count_waiting()
        return None

    def _count_waiting(self) -> None:
        for round_ in self._waiting:
            self.now.add(round_)
        self._waiting.clear()

    def _change(self) -> str:
        since = self._waiting[-max(self._chart.run, 1) :]
        before = self._waiting[: len(self._waiting) - len(since)]
        for round_ in before:
            self.now.add(round_)
        self._chart.reset()
        shift = self.now.shift(since)
        if abs(shift) < self._settings.regime_step:
            self.now.forget(_KEPT_IN_DRIFT)
            self._waiting = list(since)
            self._count_waiting()
            return f"costs drift: {math.expm1(shift):+.0%}"
        known = [(_distance(regime, since), regime) for regime in self._remembered if regime is not self.now]
        nearest = min(known, key=lambda found: found[0], default=None)
        if nearest is not None and nearest[0] <= _LIKE:
            self.now = nearest[1]
            found = f"costs as in regime {self.now.number} again"
        else:
            self._numbers += 1
            new = self.now.stretched(since, self._numbers)
            self._remember(new)
            self.now = new
            found = f"costs changed by {math.expm1(shift):+.0%}: regime {new.number}"
        self._waiting = list(since)
        self._count_waiting()
        return found

    def _remember(self, new: Regime) -> None:
        """Keep a new regime; forget the one of which the least is known if there are too many."""
        if len(self._remembered) >= self._settings.regimes:
            others = [regime for regime in self._remembered if regime is not self.now]
            if others:
                self._remembered.remove(min(others, key=lambda regime: (min(regime.rounds, 50), regime.number)))
            else:
                self._remembered.clear()
        self._remembered.append(new)


def _distance(regime: Regime, rounds: Sequence[Passes]) -> float:
    """Return how far rounds lie from a regime, in standard deviations (median); infinitely far where little is known.

    The median, since the first of them may have come before the change.
    """
    distances = []
    for round_ in rounds:
        deviation = regime.deviation(round_)
        if deviation is None:
            return math.inf
        distances.append(abs(deviation))
    return statistics.median(distances)


def _ratio(measured: Sequence[float], expected: Sequence[float]) -> float:
    total = sum(expected)
    return sum(measured) / total if total > 0.0 else 1.0


def _nearest(
    known: dict[tuple[int, int], VerifyCost] | dict[tuple[int, int], DraftCost], wanted: tuple[int, int]
) -> tuple[int, int] | None:
    return min(known, key=lambda key: (abs(key[1] - wanted[1]), abs(key[0] - wanted[0])), default=None)
