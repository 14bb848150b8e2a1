"""The rules that ``draft_length: "auto"`` may stand for, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from halospec_server.lengths.fixed import FixedLength
from halospec_server.lengths.heuristic import HeuristicLength
from halospec_server.lengths.protocol import LengthPolicy

LENGTH_POLICIES: Mapping[str, Callable[[], LengthPolicy]] = {"heuristic": HeuristicLength, "fixed": FixedLength}


def make_policy(name: str) -> LengthPolicy:
    """Return a new policy, for one sequence.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.
    """
    if name not in LENGTH_POLICIES:
        raise ValueError(f"there is no length policy {name!r}; choose one of {', '.join(LENGTH_POLICIES)}")
    return LENGTH_POLICIES[name]()
