"""Whoever watches a probe."""

from __future__ import annotations

from typing import Protocol


class ProbeObserver(Protocol):
    """Learns of every request that a probe sends."""

    def canaries_planned(self, total: int) -> None:
        """Learn how many requests there will be in all, as far as is known now; it may grow."""
        ...

    def canary_sent(self, purpose: str) -> None:
        """Learn what is asked now, in a few words such as ``draft_length k = 8``."""
        ...

    def canary_ended(self, error: str) -> None:
        """Learn that it has ended; ``error`` is empty if it went well."""
        ...


class Unobserved:
    """Watches nothing."""

    def canaries_planned(self, total: int) -> None:
        """Do nothing."""

    def canary_sent(self, purpose: str) -> None:
        """Do nothing."""

    def canary_ended(self, error: str) -> None:
        """Do nothing."""
