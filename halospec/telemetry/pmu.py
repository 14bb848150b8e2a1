"""Performance monitoring units as /sys/bus/event_source/devices describes them."""

from __future__ import annotations

import re
from pathlib import Path

from halospec.telemetry.perf_events import Event
from halospec.telemetry.sysfs import number_in, shown_in

_WORDS = ("config", "config1", "config2")
_BYTES_OF = {"MiB": 2**20, "KiB": 2**10, "Bytes": 1, "B": 1}


class PmuError(Exception):
    """A unit whose description cannot be used, with the reason."""


class Pmu:
    """One unit.

    Parameters
    ----------
    path
        Its directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs to open an event on, one for each of its places (sockets, as a rule)."""
        listed = shown_in(self.path / "cpumask")
        return numbers_of(listed) if listed else (0,)

    def names(self) -> frozenset[str]:
        """Return the events that the kernel knows by name."""
        folder = self.path / "events"
        listed = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
        return frozenset(name for name in listed if "." not in name)

    def field(self, name: str) -> str | None:
        """Return where a field's bits go, such as ``config:0-7,32-35``."""
        return shown_in(self.path / "format" / name)

    def event_named(self, name: str) -> Event:
        """Return an event that the kernel knows by name.

        Raises
        ------
        PmuError
            If it does not, or describes it in a way that is not understood.
        """
        spelled = shown_in(self.path / "events" / name)
        if spelled is None:
            raise PmuError(f"{self.name} has no event {name}")
        return self.event(spelled)

    def event(self, spelled: str) -> Event:
        """Return the event that is spelled as in ``event=0x04,umask=0x03``.

        Raises
        ------
        PmuError
            If the unit has no such field, or no room for its value.
        """
        words = [0, 0, 0]
        for term in spelled.split(","):
            field, _, value = term.strip().partition("=")
            try:
                number = int(value, 0) if value else 1
            except ValueError:
                raise PmuError(f"{self.name} describes an event as {spelled!r}") from None
            word, bits = self._place_of(field, number)
            words[word] |= bits
        kind = number_in(self.path / "type")
        if kind is None:
            raise PmuError(f"{self.name} has no type")
        return Event(kind, (words[0], words[1], words[2]))

    def bytes_a_count(self, name: str, otherwise: float) -> float:
        """Return the bytes that one count of a named event stands for; ``otherwise`` if the kernel does not say.

        Raises
        ------
        PmuError
            If its scale or unit is not understood.
        """
        scale, unit = (shown_in(self.path / "events" / f"{name}.{part}") for part in ("scale", "unit"))
        if scale is None and unit is None:
            return otherwise
        try:
            return float(scale or 1) * _BYTES_OF[unit or ""]
        except (ValueError, KeyError):
            raise PmuError(f"{self.name} counts {name} in {scale or 1} {unit or 'of nothing named'}") from None

    def _place_of(self, field: str, value: int) -> tuple[int, int]:
        """Return the word that a field lies in, and the value's bits spread over the field's."""
        if field in _WORDS:
            return _WORDS.index(field), value
        spelled = self.field(field)
        match = re.fullmatch(r"(config[12]?):([\d,-]+)", spelled or "")
        if match is None:
            raise PmuError(f"{self.name} has no field {field}")
        bits = 0
        for place in numbers_of(match[2]):
            bits |= (value & 1) << place
            value >>= 1
        if value:
            raise PmuError(f"{self.name} has too few bits for {field}")
        return _WORDS.index(match[1]), bits


def numbers_of(spelled: str) -> tuple[int, ...]:
    """Return the numbers of a list such as ``0-3,8``.

    Raises
    ------
    PmuError
        If it is none.
    """
    numbers: list[int] = []
    for part in spelled.split(","):
        first, _, last = part.partition("-")
        try:
            numbers.extend(range(int(first), int(last or first) + 1))
        except ValueError:
            raise PmuError(f"{spelled!r} is no list of numbers") from None
    return tuple(numbers)
