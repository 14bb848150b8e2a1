"""Rule ``svip``: draft while the draft model's distribution has little entropy.

SVIP (Zhang et al. 2024, arXiv:2411.18462; ``vanilla-sd/eval_specbench.py`` in Geralt-Targaryen/SVIP): the acceptance
rate has a lower bound that falls with the square root of the draft's entropy, so the draft goes on while
``sqrt(scale · H) <= threshold``, with 0.15 and 0.3 in the authors' code, that is up to 0.6 nats.

Where it departs: the source proposes the doubtful token and ends the draft after it (up to 40 tokens); here the draft
ends before it, since the target charges for every position. A draft has at least one token, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

from halospec.controllers.numbers import Length, NotNegative, Positive, require_range
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.watching import UpToAStop, WatchedDraft


@dataclass(frozen=True)
class SvipSettings:
    """The rule's numbers.

    Attributes
    ----------
    min_length
        Tokens that every draft proposes, whatever is offered for them.
    threshold
        The draft ends where ``sqrt(scale · entropy)`` is above it.
    scale
        What the entropy, in nats, is multiplied by.
    """

    min_length: Length = 1
    max_length: Length = 8
    threshold: NotNegative = 0.3
    scale: Positive = 0.15

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class SvipStop:
    """Ends the drafts of one text where the entropy is too high."""

    def __init__(self, settings: SvipSettings) -> None:
        self._draft = WatchedDraft(settings.min_length)
        self._most_entropy = settings.threshold**2 / settings.scale

    def begin(self) -> None:
        """Forget the last draft."""
        self._draft.begin()

    def ends_before(self, place: DraftPlace) -> bool:
        """Tell whether the entropy here is above what the threshold allows."""
        return self._draft.reaches(place) and place.entropy > self._most_entropy

    def learn(self, done: RoundOutcome) -> None:
        """Learn nothing: the threshold is fixed."""


class SvipRule:
    """The rule for all texts of a server."""

    def __init__(self, settings: SvipSettings) -> None:
        self._settings = settings

    def for_text(self) -> UpToAStop:
        """Return the rule as it is applied to a new text."""
        return UpToAStop(self._settings.max_length, SvipStop(self._settings))
