"""How much was drafted at each k, by what the canaries counted."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from halospec.endpoints.types import CountSource
from halospec.probe.canaries import Canary
from halospec.probe.evidence import Counted, counted

SAME_WITHIN = 0.1
"""Drafting rates closer than this share of the larger one count as equal."""

NEARLY_ALL = 0.8
"""Share of the blocks in which the longer k must draft more."""

_FEWEST_COUNTED = 2


@dataclass(frozen=True)
class DraftingRates:
    """Tokens drafted a round; per output token where rounds are not known.

    Attributes
    ----------
    by_length
        The canaries that were counted, for each k with enough of them, shortest first.
    """

    by_length: Mapping[int, tuple[Counted, ...]]
    per_round: bool

    @classmethod
    def of(cls, canaries: Sequence[Canary]) -> DraftingRates:
        """Gather the counts of one knob's canaries."""
        known = [counts for canary in canaries if (counts := counted(canary)) is not None]
        by_length = {
            k: same
            for k in sorted({counts.draft_length for counts in known})
            if len(same := tuple(counts for counts in known if counts.draft_length == k)) >= _FEWEST_COUNTED
        }
        return cls(by_length, all(counts.rounds is not None for same in by_length.values() for counts in same))

    @property
    def lengths(self) -> tuple[int, ...]:
        """The draft lengths, shortest first."""
        return tuple(self.by_length)

    @property
    def shortest(self) -> int:
        """The first of them."""
        return self.lengths[0]

    @property
    def longest(self) -> int:
        """The last of them."""
        return self.lengths[-1]

    @property
    def unit(self) -> str:
        """What the rates are relative to."""
        return "a round" if self.per_round else "per output token"

    def at(self, k: int) -> float:
        """Return the rate at a draft length."""
        return self._rate(self.by_length[k])

    def tokens_a_reply(self, k: int) -> float:
        """Return how long the replies at a draft length are, on average."""
        return statistics.fmean(counts.tokens for counts in self.by_length[k])

    def most_in_a_round(self, k: int) -> int | None:
        """Return the longest draft; None where single rounds are not known."""
        return max((n for counts in self.by_length[k] if (n := counts.most_in_a_round) is not None), default=None)

    def differences(self, shorter: int, longer: int) -> list[float]:
        """Return how much more the longer k drafted, block by block."""
        short, long = ({counts.block: self._rate([counts]) for counts in self.by_length[k]} for k in (shorter, longer))
        return [long[block] - short[block] for block in sorted(short.keys() & long.keys())]

    def same(self, *lengths: int) -> bool:
        """Tell whether the rates at these draft lengths are equal for all that matters.

        Only blocks that all of them have are compared: prompts differ in how much they let a drafter find.
        """
        common = set.intersection(*({counts.block for counts in self.by_length[k]} for k in lengths))
        if not common:
            return False
        rates = [self._rate([counts for counts in self.by_length[k] if counts.block in common]) for k in lengths]
        return max(rates) - min(rates) <= SAME_WITHIN * max(rates)

    def exceeds(self, k: int) -> bool:
        """Tell whether more than k was drafted in a round, beyond what a reply's cut end can explain."""
        same = self.by_length[k]
        drafted = sum(counts.drafted for counts in same)
        if k == 0:
            return drafted > 0
        if (self.most_in_a_round(k) or 0) > k:
            return True
        rounds = sum((counts.rounds or 0) + (0 if counts.rounds_told else 1) for counts in same)
        return self.per_round and drafted > k * rounds

    def rises(self, shorter: int, longer: int) -> bool:
        """Tell whether the longer k clearly drafts more, and does so in nearly every block."""
        differences = self.differences(shorter, longer)
        risen = sum(difference > 0 for difference in differences)
        return not self.same(shorter, longer) and bool(differences) and risen >= NEARLY_ALL * len(differences)

    def goes_beyond(self, k: int) -> bool:
        """Tell whether the longest k drafts more a round than this shorter one allows."""
        return self.at(self.longest) > k or (self.most_in_a_round(self.longest) or 0) > k

    def __str__(self) -> str:
        first, *others = (f"at k = {k}" for k in self.lengths)
        values = [f"{self.at(k):.2f}" for k in self.lengths]
        words = [f"{values[0]} tokens {self.unit} {first}"]
        words += [f"{value} {where}" for value, where in zip(values[1:], others, strict=True)]
        return f"{', '.join(words[:-1])} and {words[-1]}"

    @property
    def caveat(self) -> str:
        """What a reader should know of where the counts come from; empty if nothing."""
        if any(counts.source is CountSource.METRICS for same in self.by_length.values() for counts in same):
            return "; by the server's own totals, so this holds if nobody else used it meanwhile"
        return ""

    def _rate(self, same: Sequence[Counted]) -> float:
        whole = sum((counts.rounds or 0) if self.per_round else counts.tokens for counts in same)
        return sum(counts.drafted for counts in same) / whole if whole else 0.0
