"""What a profile is: how much of its amount a load is to do, by the time since it was switched on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Profile(Protocol):
    """A course in time; frozen and comparable, so that it can be part of a plan."""

    def level(self, elapsed_s: float) -> float:
        """Return the share of the load's amount, 0 to 1, that is due so many seconds after it was switched on."""
        ...


@dataclass(frozen=True)
class Window:
    """All of it, for as long as the load is on."""

    def level(self, elapsed_s: float) -> float:  # noqa: ARG002 - the protocol's
        """Return 1."""
        return 1.0


WINDOW = Window()
