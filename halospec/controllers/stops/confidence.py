"""Rule ``confidence``: draft while the draft model's likeliest token is likely enough.

Hugging Face's dynamic assistant confidence (transformers, ``generation/stopping_criteria.py``, ``ConfidenceCriteria``,
and ``generation/candidate_generator.py``, ``update_candidate_strategy``; it grew out of DISCO, Mamou et al. 2024,
arXiv:2405.04304). The threshold becomes, after every round, the one of the confidences seen so far at which
``FPR + 3 · FNR`` is smallest: a draft that goes on in vain costs one, a draft that ends too early three. It takes more
than five judged tokens, of both kinds.

Where it departs:

- The source looks at the token that was drawn; here it is the likeliest one. With greedy drafting that is the same, and
  with sampling a stop must not hang on what was drawn (`DraftPlace` says why).
- The source proposes the doubtful token and ends the draft after it; here the draft ends before it, since the target
  charges for every position. As there, a draft has at least one token: the first places are judged however doubtful
  they are, and from them the threshold can learn to fall again. With ``min_length`` 0 it never sees below itself.
- Memory is bounded, to the latest ``memory`` judged tokens, where the source keeps all of one reply's.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from halospec.controllers.numbers import Length, Positive, Share, require_range
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.watching import UpToAStop, WatchedDraft

_MORE_THAN = 5
"""So many judged tokens before the threshold adapts."""


@dataclass(frozen=True)
class ConfidenceSettings:
    """The rule's numbers.

    Attributes
    ----------
    min_length
        Tokens that every draft proposes, whatever is offered for them.
    threshold
        Probability of the likeliest token below which the draft ends; where it adapts, to begin with.
    adapt
        Whether the threshold follows what is accepted.
    false_negative_cost
        How much worse it is to end before a token that would have been kept than to propose one that is rejected.
    memory
        Judged tokens that the threshold is learned from.
    shared
        Whether texts share one threshold; in the source every text begins anew.
    """

    min_length: Length = 1
    max_length: Length = 8
    threshold: Share = 0.4
    adapt: bool = True
    false_negative_cost: Positive = 3.0
    memory: Annotated[int, Field(gt=_MORE_THAN, le=4096)] = 128
    shared: bool = False

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


@dataclass
class ConfidenceThreshold:
    """The confidence that separates kept tokens from rejected ones at the least cost, over the latest of them."""

    value: float
    false_negative_cost: float
    memory: int
    _latest: deque[tuple[float, bool]] = field(default_factory=deque)
    _sorted: list[tuple[float, bool]] = field(default_factory=list)
    _kept: int = 0

    def add(self, confidence: float, kept: bool) -> None:
        """Take in a judged token."""
        judged = (confidence, kept)
        self._latest.append(judged)
        insort(self._sorted, judged)
        self._kept += kept
        if len(self._latest) > self.memory:
            oldest = self._latest.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
            self._kept -= oldest[1]

    def adapt(self) -> None:
        """Move to the cheapest of the confidences seen; of equally cheap ones the highest, as ``argmin`` there does."""
        rejected = len(self._latest) - self._kept
        if len(self._latest) <= _MORE_THAN or not self._kept or not rejected:
            return
        # Past a rejected token a rising threshold saves a false positive; past a kept one it adds a false negative.
        saved, missed = 1.0 / rejected, self.false_negative_cost / self._kept
        cost = best = 1.0
        value = before = self._sorted[0][0]
        for confidence, kept in self._sorted:
            if confidence != before and cost <= best + 1e-12:
                best, value = cost, confidence
            cost += missed if kept else -saved
            before = confidence
        self.value = value


class ConfidenceStop:
    """Ends the drafts of one text where the likeliest token is not likely enough."""

    def __init__(self, settings: ConfidenceSettings, threshold: ConfidenceThreshold) -> None:
        self._adapt = settings.adapt
        self._draft = WatchedDraft(settings.min_length)
        self._threshold = threshold

    def begin(self) -> None:
        """Forget the last draft."""
        self._draft.begin()

    def ends_before(self, place: DraftPlace) -> bool:
        """Tell whether the likeliest token here is less likely than the threshold."""
        return self._draft.reaches(place) and place.top_probability < self._threshold.value

    def learn(self, done: RoundOutcome) -> None:
        """Take in which of the proposed tokens were kept."""
        if not self._adapt:
            return
        for place, kept in self._draft.verdicts(done):
            self._threshold.add(place.top_probability, kept)
        self._threshold.adapt()


class ConfidenceRule:
    """The rule for all texts of a server."""

    def __init__(self, settings: ConfidenceSettings) -> None:
        self._settings = settings
        self._shared = self._new_threshold()

    def for_text(self) -> UpToAStop:
        """Return the rule as it is applied to a new text."""
        threshold = self._shared if self._settings.shared else self._new_threshold()
        return UpToAStop(self._settings.max_length, ConfidenceStop(self._settings, threshold))

    def _new_threshold(self) -> ConfidenceThreshold:
        settings = self._settings
        return ConfidenceThreshold(settings.threshold, settings.false_negative_cost, settings.memory)
