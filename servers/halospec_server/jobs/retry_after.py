"""When it makes sense to ask again."""

from __future__ import annotations

import math
from collections.abc import Iterable

from halospec_server.jobs.completion import Completion

_LONGEST_S = 60


def soonest_end_s(texts: Iterable[Completion], now_ns: int) -> int:
    """Estimate in how many seconds the first of several texts ends, and its place is free.

    Each is taken to go on at its own pace up to its token limit. Many end earlier, so the estimate stops at a minute;
    it is at least a second, which is also the answer where no text has shown its pace yet.
    """
    left_s = [seconds for text in texts if (seconds := _seconds_left(text, now_ns)) is not None]
    return min(max(math.ceil(min(left_s, default=1.0)), 1), _LONGEST_S)


def _seconds_left(text: Completion, now_ns: int) -> float | None:
    first_ns, tokens = text.first_token_ns, text.tokens
    if text.ended or first_ns is None or tokens < 2:
        return None
    return (text.generation.max_tokens - tokens) * (now_ns - first_ns) / (tokens - 1) / 1e9
