"""What a sampler is: something that reads numbers off the machine, or a sentence that says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Reading = Mapping[str, float]
"""What was read at one moment, by column name; a column that could not be read this time is not there."""


@dataclass(frozen=True)
class Column:
    """A number that a sampler reads again and again.

    Attributes
    ----------
    name
        Within its source, with the unit at its end: ``cpu_percent``, ``rss_bytes``, ``power_w``, ``energy_j``.
    meaning
        In a few words, for the manifest and the docs.
    is_energy
        Whether it is a counter of joules that the machine's whole consumption is to be summed from: never both a
        package and a part of it.
    is_power
        Whether it is a power in watts that counts likewise, where there is no counter of joules.
    """

    name: str
    meaning: str
    is_energy: bool = False
    is_power: bool = False


class Sampler(Protocol):
    """Reads one source.

    Attributes
    ----------
    source
        Where the numbers come from, such as ``host``, ``server``, ``gpu0``; a table's columns are ``source.column``.
    columns
        All that it may ever read. A counter (joules, bytes, switches) goes on from reading to reading without a jump
        back, whatever the hardware's own register does.
    """

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def columns(self) -> Sequence[Column]: ...  # noqa: D102

    def read(self) -> Reading:
        """Read now; what cannot be read is left out, never made up. Raises nothing of the hardware's."""
        ...

    def close(self) -> None:
        """Give back what was taken; closing twice does nothing."""
        ...


@dataclass(frozen=True)
class Missing:
    """Numbers that cannot be read here.

    Attributes
    ----------
    source
        As a sampler's, such as ``energy``; or ``host.temperature`` for a part of one.
    reason
        What is missing, as a sentence without a full stop.
    remedy
        How to get it, likewise; ``None`` where there is no way on this machine.
    """

    source: str
    reason: str
    remedy: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a sampler may have to know of the run.

    Attributes
    ----------
    server_url
        Where the server that is measured is reached; ``None`` outside a run.
    server_pid
        Its process, where the user named it.
    """

    server_url: str | None = None
    server_pid: int | None = None


Opener = Callable[[Surroundings], Sequence[Sampler | Missing]]
"""Finds out what can be read here; never raises for want of hardware, rights or a driver."""
