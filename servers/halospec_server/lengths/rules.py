"""The rules in use, with what they have learned, by their spellings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from halospec.controllers.per_round import RoundRule, Threads
from halospec.controllers.sharing import EachAnew
from halospec.controllers.spelling import round_rule
from halospec_server.lengths.ruled import RuledLength

MOST_RULES = 16
"""Rules that are kept: a request may spell any settings, and each spelling is a rule of its own."""

MakeRule = Callable[[str, Threads], RoundRule]


@dataclass
class _Kept:
    """A rule, and how many texts it has been applied to."""

    rule: RoundRule
    texts: int = 0


class LengthRules:
    """Makes each rule once for each drafter, and sets it to work on texts.

    What a rule learns of one drafter's acceptance and cost says nothing of another's. If there are too many, the one
    that was used the longest ago is forgotten with all that it has learned; texts that it still works on keep it.

    All methods but `check` are for one and the same thread.

    Parameters
    ----------
    threads
        What the server offers to rules that choose threads as well.
    make
        Returns the rule that a spelling stands for, or raises ValueError. Called from any thread.
    """

    def __init__(self, threads: Threads, make: MakeRule = round_rule, most: int = MOST_RULES) -> None:
        self._threads = threads
        self._make = make
        self._most = most
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

        @lru_cache(maxsize=64)
        def check_once(spelling: str) -> None:
            try:
                make(spelling, threads).for_text()
            except ArithmeticError as error:
                raise ValueError(f"{spelling} has numbers that nothing can be worked out with.") from error

        self._check_once = check_once

    def __len__(self) -> int:
        return len(self._kept)

    def check(self, spelling: str) -> None:
        """Refuse a spelling that stands for no rule; may be called from any thread.

        Raises
        ------
        ValueError
            If there is no such rule, or it has no such settings; the message is one sentence.
        """
        self._check_once(spelling)

    def for_text(self, spelling: str, drafter: str, *, explained: bool = False) -> RuledLength:
        """Return a rule at work on a new text.

        Raises
        ------
        ValueError
            As `check`.
        """
        key = (spelling, drafter)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(self._make(spelling, self._threads))
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        lessons = 0 if isinstance(kept.rule, EachAnew) else kept.texts
        kept.texts += 1
        return RuledLength(kept.rule.for_text(), lessons, explained=explained)

    def forget(self) -> None:
        """Forget every rule and what it has learned."""
        self._kept.clear()
