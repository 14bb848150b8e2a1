"""How likely each drafted position is to be accepted: over all texts lately, and in the text at hand."""

from __future__ import annotations

import math

from halospec.controllers.cost_model.cusum import Cusum

_FIRST_GUESS = 0.7
_GUESS_ROUNDS = 3.0
_FIRST_ROUNDS = 6.0
_LEAST, _MOST = 0.01, 0.995
_KEPT_AFTER_AN_ALARM = 0.1


class Acceptance:
    """Hazards by position, discounted: Kaplan-Meier counts in which older rounds weigh less.

    A position of which little is known is shrunk to the one before it, which mixtures of easy and hard texts lie close
    to or above; the first to all positions together.

    Parameters
    ----------
    memory
        What a round still counts for when the next one is over.
    """

    def __init__(self, longest: int, memory: float, alarm: Cusum) -> None:
        self.longest = longest
        self._memory = memory
        self._alarm = alarm
        self._hits = [0.0] * longest
        self._trials = [0.0] * longest
        self._hazards = [_FIRST_GUESS] * longest

    @property
    def hazards(self) -> list[float]:
        """Acceptance at each position, given that those before it were accepted. Not to be changed."""
        return self._hazards

    @property
    def trials(self) -> list[float]:
        """How many recent rounds, discounted, tried each position. Not to be changed."""
        return self._trials

    def add(self, k: int, accepted: int, *, expected: list[float] | None = None) -> bool:
        """Count a round; return whether acceptance is taken to have changed.

        ``expected``: hazards that the round was expected to have, where they are better known than on average.
        """
        if k == 0:
            return False
        changed = self._deviates(k, accepted, expected or self._hazards)
        if changed:
            self._forget()
        hits, trials = self._hits, self._trials
        for j in range(self.longest):
            hits[j] *= self._memory
            trials[j] *= self._memory
        for j in range(min(accepted + 1, k, self.longest)):
            trials[j] += 1.0
            if j < accepted:
                hits[j] += 1.0
        self._estimate()
        return changed

    def add_totals(self, k: int, accepted: float, rounds: float) -> None:
        """Count a request of which only totals are known, as rounds in which all positions are accepted equally often.

        The acceptance alpha solves accepted / rounds = alpha + alpha² + … + alpha^k.
        """
        if k == 0 or rounds <= 0:
            return
        alpha = _alpha(min(max(accepted / rounds, 0.0), float(k)), k)
        memory = self._memory**rounds
        reached = rounds
        for j in range(self.longest):
            self._hits[j] *= memory
            self._trials[j] *= memory
            if j < k:
                self._trials[j] += reached
                reached *= alpha
                self._hits[j] += reached
        self._estimate()

    def _deviates(self, k: int, accepted: int, hazards: list[float]) -> bool:
        """Hold a round's number of accepted tokens against what it was expected to be."""
        mean = square = 0.0
        reach = 1.0
        for j in range(min(k, self.longest)):
            reach *= hazards[j]
            mean += reach
            square += (2 * j + 1) * reach
        spread = math.sqrt(max(square - mean * mean, 0.05))
        if not self._alarm.add((accepted - mean) / spread):
            return False
        self._alarm.reset()
        return True

    def _forget(self) -> None:
        self._hits = [_KEPT_AFTER_AN_ALARM * count for count in self._hits]
        self._trials = [_KEPT_AFTER_AN_ALARM * count for count in self._trials]

    def _estimate(self) -> None:
        tried = sum(self._trials)
        before = (sum(self._hits) + _FIRST_ROUNDS * _FIRST_GUESS) / (tried + _FIRST_ROUNDS)
        for j, (hits, trials) in enumerate(zip(self._hits, self._trials, strict=True)):
            before = min(max((hits + _GUESS_ROUNDS * before) / (trials + _GUESS_ROUNDS), _LEAST), _MOST)
            self._hazards[j] = before


class TextAcceptance:
    """How one text differs from the others: its hazards are theirs, shifted by the same log odds at every position.

    The shift is the posterior mode after one Newton step from 0, under a normal prior: with little evidence it stays
    near 0.

    Parameters
    ----------
    spread
        Standard deviation of the shift over texts.
    """

    def __init__(self, all_texts: Acceptance, spread: float, memory: float) -> None:
        self._all = all_texts
        self._precision = 1.0 / (spread * spread)
        self._memory = memory
        self._surplus = 0.0
        self._information = 0.0

    def add(self, k: int, accepted: int) -> None:
        """Count a round of this text, before it is counted among all texts."""
        if k == 0:
            return
        self._surplus *= self._memory
        self._information *= self._memory
        hazards = self._all.hazards
        for j in range(min(accepted + 1, k, len(hazards))):
            expected = hazards[j]
            self._surplus += (j < accepted) - expected
            self._information += expected * (1.0 - expected)

    def hazards(self) -> list[float]:
        """Return acceptance at each position of this text."""
        shift = self._surplus / (self._information + self._precision)
        if shift == 0.0:
            return self._all.hazards
        factor = math.exp(min(max(shift, -3.0), 3.0))
        shifted = []
        for hazard in self._all.hazards:
            odds = factor * hazard / (1.0 - hazard)
            shifted.append(min(max(odds / (1.0 + odds), _LEAST), _MOST))
        return shifted


def _alpha(kept: float, k: int) -> float:
    """Solve kept = alpha + … + alpha^k by bisection."""
    low, high = 0.0, 1.0
    for _ in range(30):
        alpha = (low + high) / 2
        total, power = 0.0, 1.0
        for _ in range(k):
            power *= alpha
            total += power
        low, high = (alpha, high) if total < kept else (low, alpha)
    return (low + high) / 2
