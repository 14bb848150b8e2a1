"""How much text a draft model has yet to take in when its next draft begins."""

from __future__ import annotations

AT_THE_START = 1
"""Of a text: the draft followed the prompt, and has only the first token before it."""


def missed_after(missed: int, k: int, accepted: int, *, stopped: bool = False) -> int:
    """Return how many tokens the draft's next first pass has to take in, after a round that began with ``missed``.

    After a rejection that is the target's own token. After full acceptance it is the last drafted token too, which was
    proposed and never read. A round without a draft adds its token to what there was.

    Parameters
    ----------
    stopped
        Whether a stop inside the draft ended it: the pass in which it did so had read everything up to there.
    """
    if stopped:
        return 1
    if k == 0:
        return missed + 1
    return 2 if accepted == k else 1
