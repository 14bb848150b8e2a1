"""A load that comes and goes at even intervals."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.contention.profiles.bounds import require_stretch


@dataclass(frozen=True)
class Bursts:
    """All of the load for ``on_s`` seconds, then none for ``off_s``, and so on; on first.

    Raises
    ------
    ValueError
        If a length is too short to be carried out.
    """

    on_s: float
    off_s: float

    def __post_init__(self) -> None:
        require_stretch("A burst", self.on_s)
        require_stretch("The pause between bursts", self.off_s)

    def level(self, elapsed_s: float) -> float:
        """Return 1 in a burst and 0 between bursts."""
        return 1.0 if elapsed_s % (self.on_s + self.off_s) < self.on_s else 0.0
