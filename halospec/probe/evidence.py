"""From canaries to numbers: what was drafted, how long a token took, how tokens came together."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from halospec.endpoints.types import Completion, CountSource
from halospec.probe.bursts import arrives_at_once, bursts_of
from halospec.probe.canaries import Canary, DraftCounts
from halospec.records.probe import LengthEvidence, PositionEvidence
from halospec.records.schema import Round

_BEYOND_THE_END = 16
"""Accepted tokens of the last round that a reply's limit may cut off."""


@dataclass(frozen=True)
class Counted:
    """The draft counts of one canary.

    Attributes
    ----------
    rounds
        None if unknown. Where the server does not count them, a round yields its accepted tokens and one more, and the
        reply's first token comes from the prompt's pass.
    rounds_told
        Whether the server counted them itself; else the reply's cut end makes them uncertain by about one.
    """

    draft_length: int
    block: int
    drafted: int
    accepted: int | None
    rounds: int | None
    rounds_told: bool
    tokens: int
    most_in_a_round: int | None
    source: CountSource


def counted(canary: Canary) -> Counted | None:
    """Return a canary's counts; None if it failed or nobody counted."""
    reply, counts = canary.completion, canary.counts
    if reply is None or counts is None:
        return None
    return Counted(
        draft_length=canary.cell.draft_length,
        block=canary.block,
        drafted=counts.drafted,
        accepted=counts.accepted,
        rounds=_rounds(reply, counts),
        rounds_told=counts.rounds is not None,
        tokens=reply.completion_tokens,
        most_in_a_round=max((one.k for one in reply.round_log), default=None),
        source=counts.source,
    )


def read_together(canaries: Sequence[Canary]) -> list[Canary]:
    """Return the canaries of a probe with what only all of them together tell of their counts."""
    return with_silent_zeros(without_others_counts(canaries))


def without_others_counts(canaries: Sequence[Canary]) -> list[Canary]:
    """Return the canaries without the server's totals where these grew by more than a reply can hold.

    Somebody else used the server then, and may have all along: other replies have room for a stranger's drafts.
    """
    if not any(_holds_too_much(canary) for canary in canaries):
        return list(canaries)
    return [
        replace(canary, metered=None, others_counted=True) if _is_metered(canary) else canary for canary in canaries
    ]


def with_silent_zeros(canaries: Sequence[Canary]) -> list[Canary]:
    """Return the canaries with silence read as zero where the server counts drafts in other replies of the probe.

    llama-server leaves its counts out when nothing was drafted, and usage details of zero say nothing by themselves.
    """
    sources = {counts.source for canary in canaries if (counts := canary.counts) is not None}
    return [_with_silent_zero(canary, sources) for canary in canaries]


def decode_ms_per_token(canary: Canary) -> float | None:
    """Return (ended - first token) / (tokens - 1); None without a stream worth the name or without a second token."""
    reply = canary.completion
    if reply is None or reply.first_token_ns is None or reply.ended_ns is None or reply.completion_tokens < 2:
        return None
    if arrives_at_once(reply.event_ns, canary.sent_ns):
        return None
    return (reply.ended_ns - reply.first_token_ns) / 1e6 / (reply.completion_tokens - 1)


def request_ms_per_token(canary: Canary) -> float | None:
    """Return the time of the whole exchange per token: all there is where replies are not streamed."""
    if canary.completion is None:
        return None
    return (canary.ended_ns - canary.sent_ns) / 1e6 / canary.completion.completion_tokens


def tokens_per_burst(canary: Canary) -> float | None:
    """Return the mean number of tokens that arrived together; None where that cannot be seen."""
    reply = canary.completion
    if reply is None or arrives_at_once(reply.event_ns, canary.sent_ns):
        return None
    bursts = bursts_of(reply.event_ns)
    return reply.completion_tokens / bursts.count if bursts else None


def length_evidence(canaries: Sequence[Canary], draft_length: int) -> LengthEvidence:
    """Sum up a knob's canaries with one draft length."""
    sent = [canary for canary in canaries if canary.cell.draft_length == draft_length]
    replies = [canary.completion for canary in sent if canary.completion is not None]
    counts = [known for canary in sent if (known := counted(canary)) is not None]
    rounds = _total(known.rounds for known in counts)
    drafted = _total(known.drafted for known in counts)
    times = [ms for canary in sent if (ms := decode_ms_per_token(canary)) is not None]
    bursts = [size for canary in sent if (size := tokens_per_burst(canary)) is not None]
    return LengthEvidence(
        draft_length=draft_length,
        canaries=len(sent),
        failures=len(sent) - len(replies),
        drafted=drafted,
        accepted=_total(known.accepted for known in counts),
        rounds=rounds,
        completion_tokens=sum(reply.completion_tokens for reply in replies),
        drafted_per_round=_a_round(drafted, rounds),
        most_drafted_in_a_round=max((n for known in counts if (n := known.most_in_a_round) is not None), default=None),
        tpot_ms=statistics.median(times) if times else None,
        tokens_per_burst=statistics.harmonic_mean(bursts) if bursts else None,
        accepted_by_position=by_position(one for reply in replies for one in reply.round_log),
    )


def by_position(rounds: Iterable[Round]) -> tuple[PositionEvidence, ...]:
    """Count, for each place in a draft, the rounds that drafted this far and those that kept it."""
    drafted, accepted = Counter[int](), Counter[int]()
    for one in rounds:
        drafted.update(range(1, one.k + 1))
        accepted.update(range(1, one.accepted + 1))
    return tuple(
        PositionEvidence(position=place, drafted=drafted[place], accepted=accepted[place]) for place in sorted(drafted)
    )


def _a_round(drafted: int | None, rounds: int | None) -> float | None:
    if drafted is None or rounds is None:
        return None
    # Where only rounds that draft are counted, there is none at k = 0.
    return drafted / rounds if rounds else 0.0


def _rounds(reply: Completion, counts: DraftCounts) -> int | None:
    if counts.rounds is not None:
        return counts.rounds
    if counts.accepted is None:
        return None
    return max(1, reply.completion_tokens - 1 - counts.accepted)


def _with_silent_zero(canary: Canary, sources: set[CountSource]) -> Canary:
    reply = canary.completion
    if reply is None or canary.counts is not None:
        return canary
    if CountSource.TIMINGS in sources and reply.predicted_ms is not None:
        source = CountSource.TIMINGS
    elif CountSource.USAGE in sources and reply.tokens_from is CountSource.USAGE:
        source = CountSource.USAGE
    else:
        return canary
    return replace(canary, metered=DraftCounts(0, 0, None, source))


def _is_metered(canary: Canary) -> bool:
    return canary.metered is not None and canary.metered.source is CountSource.METRICS


def _holds_too_much(canary: Canary) -> bool:
    """Tell whether more was accepted, and in more rounds, than the reply has tokens."""
    reply, metered = canary.completion, canary.metered
    if reply is None or metered is None or not _is_metered(canary):
        return False
    return (metered.accepted or 0) + (metered.rounds or 0) > reply.completion_tokens + _BEYOND_THE_END


def _total(numbers: Iterable[int | None]) -> int | None:
    """Return the sum; None if there are no numbers or one is not known."""
    known = list(numbers)
    if not known or None in known:
        return None
    return sum(number or 0 for number in known)
