"""Which draft length to use, from the last round: the simplest of those that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from halospec.analysis.value import Value
from halospec.inference.types import LogRatio, Share
from halospec.tuning.evidence import PLAIN

BestAmong = Callable[[Sequence[int]], Sequence[int] | None]
"""From draft lengths to those of them that may be the best; None where that cannot be said."""


class Finding(StrEnum):
    """What a search came to.

    ``FASTER``: drafting is, and by how much is known. ``PLAIN_IS_BEST``: each k of the last round is slower than no
    drafting. ``CANNOT_TELL``: neither. ``PLAIN_MISSES_SLO``: without drafting the objectives are met too rarely, with
    it perhaps not. ``SLO_MISSED``: they are met too rarely with any k of the last round.
    """

    FASTER = "faster"
    PLAIN_IS_BEST = "plain_is_best"
    CANNOT_TELL = "cannot_tell"
    PLAIN_MISSES_SLO = "plain_misses_slo"
    SLO_MISSED = "slo_missed"


class Verdict(Value):
    """The answer.

    Attributes
    ----------
    recommended
        The smallest k that may be the best and is faster than k = 0; otherwise 0. Where two cannot be told apart, the
        smaller drafts less that is thrown away, and k = 0 needs no draft at all.
    fastest
        The k that was measured to be the fastest of those that may meet the objectives.
    may_be_best
        Those of the last round that cannot be told from the best, `fastest` among them.
    """

    finding: Finding
    recommended: int
    fastest: int
    may_be_best: tuple[int, ...]


@dataclass(frozen=True)
class Finalist:
    """A draft length of the last round.

    Attributes
    ----------
    against_plain
        Its time as a log ratio to that of k = 0; None for k = 0 itself, and where no pair was measured.
    attainment
        How often it met the objectives; None without any.
    """

    draft_length: int
    against_plain: LogRatio | None
    attainment: Share | None = None

    def shown_below(self, wanted: float) -> bool:
        """Tell whether its attainment is certainly lower than wanted: its interval ends below."""
        return is_shown_below(self.attainment, wanted)

    @property
    def log_ratio(self) -> float:
        """Its time relative to that of k = 0, as measured."""
        return 0.0 if self.against_plain is None else self.against_plain.value

    @property
    def is_faster(self) -> bool:
        """Whether its interval says so."""
        return self.against_plain is not None and self.against_plain.is_found and self.against_plain.value < 0

    @property
    def is_slower(self) -> bool:
        """Whether its interval says so."""
        return self.against_plain is not None and self.against_plain.is_found and self.against_plain.value > 0


def is_shown_below(attainment: Share | None, wanted: float) -> bool:
    """Tell whether an attainment is certainly lower than wanted."""
    return attainment is not None and attainment.high < wanted


def conclude(finalists: Sequence[Finalist], best_among: BestAmong, wanted: float) -> Verdict:
    """Return the answer of the last round.

    Parameters
    ----------
    finalists
        k = 0 among them.
    wanted
        The share of requests that should meet the objectives, where there are any.
    """
    eligible = [one for one in finalists if not one.shown_below(wanted)]
    if not eligible:
        return _nearest_to_objectives(finalists)
    fastest = min(eligible, key=lambda one: (one.log_ratio, one.draft_length)).draft_length
    lengths = [one.draft_length for one in eligible]
    candidates = tuple(best_among(lengths) or lengths)
    if PLAIN not in lengths:
        return _verdict(Finding.PLAIN_MISSES_SLO, min(candidates), fastest, candidates)
    faster = [one.draft_length for one in eligible if one.draft_length in candidates and one.is_faster]
    if PLAIN not in candidates and faster:
        return _verdict(Finding.FASTER, min(faster), fastest, candidates)
    others = [one for one in finalists if one.draft_length != PLAIN]
    if fastest == PLAIN and others and all(one.is_slower for one in others):
        return _verdict(Finding.PLAIN_IS_BEST, PLAIN, PLAIN, (PLAIN,))
    return _verdict(Finding.CANNOT_TELL, PLAIN, fastest, tuple(sorted({PLAIN, *candidates})))


def _nearest_to_objectives(finalists: Sequence[Finalist]) -> Verdict:
    def attained(one: Finalist) -> float:
        return one.attainment.value if one.attainment else 0.0

    nearest = min(finalists, key=lambda one: (-attained(one), one.log_ratio, one.draft_length)).draft_length
    return _verdict(Finding.SLO_MISSED, nearest, nearest, ())


def _verdict(finding: Finding, recommended: int, fastest: int, may_be_best: tuple[int, ...]) -> Verdict:
    return Verdict(finding=finding, recommended=recommended, fastest=fastest, may_be_best=may_be_best)
