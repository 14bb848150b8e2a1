"""Which draft lengths go on to the next round: sequential halving, as a rule without a server.

Sequential halving (Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits") spends a fixed
budget in about log2(n) rounds of equal cost; after each, the worse half of the n arms is dropped, so that those which
are hard to tell apart are measured the most. It needs no assumption on the noise to end, and works just as well where
costs come from no distribution at all (Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and
hyperparameter optimization"), whose way of judging by all that is known of an arm so far is taken here.

Two things are added. Arms are paired: in a round all answer the same prompts. And k = 0 is in every round, whatever it
costs, because the answer has to say what speculation brings; it is no *challenger* and is never dropped. The last round
has `FINALISTS` challengers and is there for an interval, not for another choice by halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FINALISTS = 2
FINAL_PROMPTS = 20
"""Prompts that each k answers in the last round, where no budget is given."""
FINAL_PASSES = 6
LEAST_PROMPTS = 2
LEAST_FINAL_PROMPTS = 4


@dataclass(frozen=True)
class RoundSize:
    """How much a round asks.

    Attributes
    ----------
    number
        From 1.
    challengers
        Draft lengths other than 0; fewer take part if some never answer.
    prompts
        That each k answers.
    passes
        Times that the server is brought to each k. More than once where that takes a reload or a restart, and the
        machine's drift meanwhile must not be taken for an effect of k; the prompts are dealt out over the passes.
    warmup
        Requests of each k, in each pass, before those that count.
    """

    number: int
    challengers: int
    prompts: int
    passes: int
    warmup: int
    is_last: bool

    @property
    def requests(self) -> int:
        """How many the round has, warm-up included."""
        return (self.challengers + 1) * (self.prompts + self.passes * self.warmup)

    def pass_of(self, step: int) -> int:
        """Return the pass in which a prompt's turn comes; both count from 1."""
        return (step - 1) * self.passes // self.prompts + 1


@dataclass(frozen=True)
class Standing:
    """How a challenger has done so far.

    Attributes
    ----------
    log_ratio
        Mean over prompts of the logarithm of its time relative to k = 0's; None where no pair was measured.
    pairs
        Prompts that both answered, of ``asked``.
    misses_slo
        Whether it was shown to meet the objectives too rarely.
    """

    draft_length: int
    log_ratio: float | None
    pairs: int
    asked: int
    misses_slo: bool = False

    @property
    def is_failing(self) -> bool:
        """Whether more than half of what it was asked came to nothing."""
        return self.log_ratio is None or 2 * self.pairs < self.asked


def round_sizes(
    challengers: int, *, budget: int | None = None, warmup: int, switching: bool = False
) -> tuple[RoundSize, ...]:
    """Share a budget of requests out over rounds of about equal cost.

    Parameters
    ----------
    budget
        Most requests in all, warm-up included; None: what `FINAL_PROMPTS` prompts in the last round take.
    switching
        Whether a reload or a restart brings the server to each k.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or the budget is too small; the message names one that would do.
    """
    if challengers < 1:
        raise ValueError("there is nothing to tune: name at least one draft length above 0")
    counts = tuple(_challengers_by_round(challengers))
    least = _budget_for(counts, LEAST_FINAL_PROMPTS, warmup, switching)
    if budget is None:
        budget = _budget_for(counts, FINAL_PROMPTS, warmup, switching)
    if budget < least:
        raise ValueError(f"--budget {budget} is too small for {challengers + 1} draft lengths; give at least {least}")
    left = budget - sum(_warmup_cost(counts, number, warmup, switching) for number in range(len(counts)))
    sizes = []
    for number, count in enumerate(counts):
        # What an earlier round leaves over, because it does not divide, goes to the later ones.
        prompts = left // (len(counts) - number) // (count + 1)
        left -= prompts * (count + 1)
        is_last = number == len(counts) - 1
        passes = _passes(number, len(counts), switching)
        warm = warmup if switching or number == 0 else 0
        sizes.append(RoundSize(number + 1, count, prompts, min(passes, prompts), warm, is_last))
    return tuple(sizes)


def survivors(standings: Sequence[Standing], keep: int) -> tuple[int, ...]:
    """Return the challengers that go on: the quickest, those that miss the objectives after those that may meet them.

    Fewer than ``keep`` where others failed.
    """
    sound = (at for at in standings if not at.is_failing)
    ranked = sorted(sound, key=lambda at: (at.misses_slo, at.log_ratio or 0.0, at.draft_length))
    return tuple(sorted(at.draft_length for at in ranked[:keep]))


def _challengers_by_round(challengers: int) -> Iterator[int]:
    yield challengers
    while challengers > FINALISTS:
        challengers = max(FINALISTS, -(-challengers // 2))
        yield challengers


def _budget_for(counts: Sequence[int], final_prompts: int, warmup: int, switching: bool) -> int:
    """Return the requests with which the last round has so many prompts, and no round too few."""
    share = max(final_prompts * (counts[-1] + 1), *(LEAST_PROMPTS * (count + 1) for count in counts))
    return share * len(counts) + sum(_warmup_cost(counts, number, warmup, switching) for number in range(len(counts)))


def _warmup_cost(counts: Sequence[int], number: int, warmup: int, switching: bool) -> int:
    if not switching and number > 0:
        return 0
    return (counts[number] + 1) * _passes(number, len(counts), switching) * warmup


def _passes(number: int, rounds: int, switching: bool) -> int:
    return FINAL_PASSES if switching and number == rounds - 1 else 1
