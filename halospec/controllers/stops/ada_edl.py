"""Rule ``ada_edl``: draft while a lower bound on acceptance, from entropy, is above a threshold that adapts.

AdaEDL (Agrawal, Jeon & Lee 2024, arXiv:2410.18351, PMLR 262): the draft ends where ``1 - sqrt(gamma · H) < lambda``.
After every round the acceptance rate is smoothed and lambda nudged, as in Draft & Verify (Zhang et al. 2023,
arXiv:2309.08168; ``decoding.py`` in dilab-zju/self-speculative-decoding)::

    rate   <- beta1 · rate + (1 - beta1) · accepted / drafted
    wanted  = lambda + epsilon   if rate < target
              lambda             if the draft was as long as it may be
              lambda - epsilon   otherwise
    lambda <- beta2 · lambda + (1 - beta2) · wanted

so that one round moves lambda by 0.001 and a reply of 64 tokens hardly at all: ``shared`` lets it go on from text to
text. gamma, beta1, beta2, epsilon and the target are the paper's; it names no first lambda, and sees its choice matter.

Where it departs: the draft ends before the doubtful token, as the paper says and Draft & Verify's code does not. The
first token is always proposed, or else a lambda that is too high would end all drafts and never learn that it is. "As
long as it may be" is the limit in force; a draft that the end of the text cuts short counts as one that ended early.
The smoothed rate begins at the target, not at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.controllers.numbers import Length, Positive, Share, require_range
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.watching import UpToAStop, WatchedDraft


@dataclass(frozen=True)
class AdaEdlSettings:
    """The rule's numbers.

    Attributes
    ----------
    min_length
        Tokens that every draft proposes, whatever is offered for them.
    threshold
        The first lambda.
    gamma
        What the entropy, in nats, is multiplied by.
    target
        Acceptance rate below which lambda rises.
    step
        Epsilon: how far lambda is wanted to move at once.
    rate_memory, threshold_memory
        beta1 and beta2: what is kept of the smoothed rate, and of lambda.
    shared
        Whether texts share one lambda.
    """

    min_length: Length = 1
    max_length: Length = 8
    threshold: Share = 0.5
    gamma: Positive = 0.2
    target: Share = 0.9
    step: Share = 0.01
    rate_memory: Share = 0.5
    threshold_memory: Share = 0.9
    shared: bool = False

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class AdaEdlThreshold:
    """Lambda, and the smoothed acceptance rate that moves it."""

    def __init__(self, settings: AdaEdlSettings) -> None:
        self._settings = settings
        self._rate = settings.target
        self.value = settings.threshold

    def learn(self, done: RoundOutcome) -> None:
        """Take in a round; one without a draft says nothing."""
        if done.k == 0:
            return
        settings = self._settings
        self._rate = settings.rate_memory * self._rate + (1.0 - settings.rate_memory) * done.accepted / done.k
        wanted = self.value
        if self._rate < settings.target:
            wanted += settings.step
        elif done.k < done.limit:
            wanted -= settings.step
        moved = settings.threshold_memory * self.value + (1.0 - settings.threshold_memory) * wanted
        self.value = min(max(moved, 0.0), 1.0)


class AdaEdlStop:
    """Ends the drafts of one text where the bound on acceptance is below lambda."""

    def __init__(self, settings: AdaEdlSettings, threshold: AdaEdlThreshold) -> None:
        self._gamma = settings.gamma
        self._draft = WatchedDraft(settings.min_length)
        self._threshold = threshold

    def begin(self) -> None:
        """Forget the last draft."""
        self._draft.begin()

    def ends_before(self, place: DraftPlace) -> bool:
        """Tell whether the bound on acceptance here is below lambda."""
        bound = 1.0 - math.sqrt(self._gamma * max(place.entropy, 0.0))
        return self._draft.reaches(place) and bound < self._threshold.value

    def learn(self, done: RoundOutcome) -> None:
        """Let the round nudge lambda."""
        self._threshold.learn(done)


class AdaEdlRule:
    """The rule for all texts of a server."""

    def __init__(self, settings: AdaEdlSettings) -> None:
        self._settings = settings
        self._shared = AdaEdlThreshold(settings)

    def for_text(self) -> UpToAStop:
        """Return the rule as it is applied to a new text."""
        threshold = self._shared if self._settings.shared else AdaEdlThreshold(self._settings)
        return UpToAStop(self._settings.max_length, AdaEdlStop(self._settings, threshold))
