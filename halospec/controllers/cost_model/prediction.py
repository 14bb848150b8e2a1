"""What every setting is predicted to bring: expected tokens of a round against its expected duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec.controllers.cost_model.regimes import Regime
from halospec.controllers.decision import Candidate, Setting

_STAY_ROUNDS = 32.0
"""Over so many rounds the passes are spread that the draft model needs before it can draft again."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One setting, weighed.

    Attributes
    ----------
    known
        Recent rounds that speak of this length: of its cost, or of its last position, whichever has fewer.
    """

    k: int
    threads: int
    draft_threads: int
    tokens: float
    ms: float
    known: float

    @property
    def ms_per_token(self) -> float:
        """Expected time per token."""
        return self.ms / self.tokens

    def loss_ms(self, best_ms_per_token: float) -> float:
        """Return by how much a round is expected to take longer than its tokens would at their best."""
        return self.ms - self.tokens * best_ms_per_token

    def candidate(self, *, joint: bool) -> Candidate:
        """Return it as it stands in a decision."""
        setting = Setting(self.k, self.threads, self.draft_threads) if joint else Setting(self.k)
        return Candidate(setting, self.tokens, self.ms)


def predict(
    regime: Regime,
    hazards: Sequence[float],
    trials: Sequence[float],
    lengths: range,
    threads: tuple[int, int],
    sequences: int,
    missed: int,
) -> list[Prediction]:
    """Weigh every length with one setting of the threads.

    A round that keeps its whole draft leaves the draft model one more token to take in, so a length is charged for that
    as often as it happens. Whoever has not drafted for a while is charged for what the draft has missed, spread over
    the rounds to come.

    Parameters
    ----------
    hazards, trials
        Acceptance at each position, and how many recent rounds tried it.
    missed
        Tokens that the draft's next first pass has to take in.
    """
    verify, drafting = regime.verify((threads[0], sequences)), regime.draft((threads[1], sequences))
    per_token_ms, per_missed_ms = regime.drafting_ms(verify, drafting)
    behind = max(missed - 2, 0) / _STAY_ROUNDS
    found = []
    tokens, reach = 1.0, 1.0
    for k in range(lengths.stop):
        if k > 0:
            reach *= hazards[k - 1]
            tokens += reach
        if k < lengths.start:
            continue
        width = sequences * (k + 1)
        ms, known = verify.ms(width), verify.known(width)
        if k > 0:
            ms += per_token_ms * k + per_missed_ms * (reach + behind)
            known = min(known, trials[k - 1])
        found.append(Prediction(k, threads[0], threads[1], tokens, ms, known))
    return found
