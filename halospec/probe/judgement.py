"""What a judge of evidence says."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.records.probe import Basis, Verdict


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on.

    Attributes
    ----------
    reason
        Part of a sentence: it starts in lower case and has no full stop.
    more_may_tell
        Whether the same canaries once more could settle what cannot be told yet.
    """

    verdict: Verdict
    basis: Basis
    reason: str
    more_may_tell: bool = False
