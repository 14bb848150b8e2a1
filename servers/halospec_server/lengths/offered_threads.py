"""Which numbers of threads a rule may choose from."""

from __future__ import annotations

from halospec.controllers.per_round import Threads

_WORTH_HALVING = 4
"""Own threads above which there is a number between them and 1 that is worth a try."""


def offered_threads(target: int, draft: int, most: int) -> Threads:
    """Return the pairs of threads that a server offers.

    Its own come first. Under contention fewer are better, because threads wait for each other at every operation;
    and every pair more is one more that has to be tried out, so they are few.

    Parameters
    ----------
    target, draft
        The server's own; 1 where no model drafts.
    most
        Neither number of another pair exceeds this.
    """
    others = [(target, 1), (1, 1)]
    if target > _WORTH_HALVING:
        others.append((target // 2, max(1, draft // 2)))
    # A dict keeps the first of equal pairs, and their order.
    return Threads(tuple(dict.fromkeys([(target, draft), *(pair for pair in others if max(pair) <= most)])))
