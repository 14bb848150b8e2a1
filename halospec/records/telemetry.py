"""What a manifest says of a run's telemetry: what was read, how often, and what could not be read here."""

from __future__ import annotations

from pydantic import Field

from halospec.records.manifest_part import ManifestPart


class SampledColumn(ManifestPart):
    """A column of ``telemetry.parquet``: ``source.name``."""

    name: str
    meaning: str


class UnreadSource(ManifestPart):
    """Something that cannot be read on this machine, why, and how to get it."""

    source: str
    reason: str
    remedy: str | None = None


class IdlePower(ManifestPart):
    """What the machine drew before the run, with the server loaded and nothing asked of it.

    Attributes
    ----------
    watts
        Mean over the time that it was watched.
    """

    watts: float = Field(ge=0.0)
    seconds: float = Field(gt=0.0)


class TelemetryAccount(ManifestPart):
    """What a run's telemetry is.

    Attributes
    ----------
    hz
        Readings a second that were meant.
    energy_counters
        Columns in joules whose sum is the machine's consumption, as far as it is counted here.
    power_gauges
        Columns in watts that stand for parts of it that have no counter.
    idle
        ``None`` where nothing counts energy.
    """

    hz: float = Field(gt=0.0)
    columns: tuple[SampledColumn, ...] = ()
    missing: tuple[UnreadSource, ...] = ()
    energy_counters: tuple[str, ...] = ()
    power_gauges: tuple[str, ...] = ()
    idle: IdlePower | None = None
