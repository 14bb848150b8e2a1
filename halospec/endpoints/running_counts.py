"""From draft counts that run along with a stream to the rounds behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from halospec.records.schema import Round


@dataclass(frozen=True)
class RunningCount:
    """What a server had generated, drafted and accepted when it sent an event, all in tokens."""

    predicted: int
    drafted: int
    accepted: int


def rounds_behind(counts: Iterable[RunningCount]) -> tuple[Round, ...] | None:
    """Rebuild the rounds of a reply; the last count is its total.

    The first token comes from the prompt's pass. From then on a round that drafted shows in the first event after it
    as a step of ``drafted`` and ``accepted``, and yields ``accepted + 1`` tokens, of which the reply's end may cut off
    some. Tokens that no such round yielded came one by one, from rounds that drafted nothing.

    A token may have no event of its own (half a UTF-8 character, what may be the start of a stop string). Where a step
    shows only after such tokens, it might be that of two rounds, or of one that came after a plain one. It is one round
    that followed at once if the next round begins exactly where it then ends: every other reading would have yielded
    more tokens. Where that cannot be seen, nothing is returned.

    Returns
    -------
    tuple of Round or None
        ``None`` where the counts contradict each other or allow more than one reading.
    """
    rounds: list[Round] = []
    last = RunningCount(0, 0, 0)
    # Tokens that the rounds so far have yielded, the prompt's own included: never fewer than were seen.
    yielded = 1
    doubtful = False
    for count in counts:
        drafted, accepted = count.drafted - last.drafted, count.accepted - last.accepted
        if count.predicted < last.predicted or not 0 <= accepted <= drafted:
            return None
        beyond = count.predicted - yielded
        if drafted:
            if beyond < 1:
                return None
            if beyond == 1:
                doubtful = False
            else:
                doubtful = True
                if beyond > accepted + 1:
                    return None
            rounds.append(Round(k=drafted, accepted=accepted))
            yielded += accepted + 1
        elif beyond > 0:
            if doubtful:
                return None
            rounds += [Round(k=0, accepted=0)] * beyond
            yielded += beyond
        last = count
    return None if doubtful else tuple(rounds)
