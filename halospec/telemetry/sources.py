"""The names of what telemetry can be read from, as ``--telemetry`` takes them."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Where numbers are read off the machine."""

    HOST = "host"
    SERVER = "server"
    GPU = "gpu"
    ENERGY = "energy"
    BANDWIDTH = "bandwidth"


OFF = "off"
DEFAULT_HZ = 10.0
MOST_HZ = 100.0


def sources_in(text: str) -> tuple[Source, ...]:
    """Read names separated by commas, or ``off`` for none.

    Raises
    ------
    ValueError
        If one is none of the sources.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [OFF]:
        return ()
    known = [source.value for source in Source]
    foreign = [name for name in names if name not in known]
    if foreign or not names:
        raise ValueError(
            f"--telemetry: {foreign[0] if foreign else text!r} is none of the sources {', '.join(known)};"
            " name some of them, with commas between, or write off."
        )
    return tuple(source for source in Source if source in names)
