"""Opening all sources that are wanted, and saying what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from halospec.records.telemetry import IdlePower, SampledColumn, TelemetryAccount, UnreadSource
from halospec.telemetry.protocol import Missing, Opener, Sampler, Surroundings
from halospec.telemetry.samplers import SOURCES
from halospec.telemetry.sources import Source


@dataclass(frozen=True)
class OpenSources:
    """What can be read here, and what cannot; a context manager that closes the samplers."""

    samplers: tuple[Sampler, ...]
    missing: tuple[Missing, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sampler in self.samplers:
            sampler.close()

    def account(self, hz: float, idle: IdlePower | None = None) -> TelemetryAccount:
        """Return what a manifest says of it."""
        columns = [(f"{one.source}.{column.name}", column) for one in self.samplers for column in one.columns]
        return TelemetryAccount(
            hz=hz,
            columns=tuple(SampledColumn(name=name, meaning=column.meaning) for name, column in columns),
            missing=unread(self.missing),
            energy_counters=tuple(name for name, column in columns if column.is_energy),
            power_gauges=tuple(name for name, column in columns if column.is_power),
            idle=idle,
        )


def open_sources(
    wanted: Sequence[Source], surroundings: Surroundings, *, openers: Mapping[Source, Opener] = SOURCES
) -> OpenSources:
    """Open what there is of the sources wanted; one that cannot even be looked for is missing."""
    found: list[Sampler | Missing] = []
    for source in wanted:
        try:
            found.extend(openers[source](surroundings))
        except Exception as error:  # noqa: BLE001  (telemetry must not end a measurement, whatever a driver does)
            found.append(Missing(source, f"looking for it failed: {error or type(error).__name__}"))
    return OpenSources(
        samplers=tuple(one for one in found if not isinstance(one, Missing)),
        missing=tuple(one for one in found if isinstance(one, Missing)),
    )


def continued(before: TelemetryAccount | None, now: TelemetryAccount | None) -> TelemetryAccount | None:
    """Return the account of a run that goes on: of what is read now, and of what was read before.

    What was missing before is told no more where it can be read now. The idle power is known only where it was watched
    with all that is summed now.
    """
    if before is None or now is None:
        return now or before
    columns = {column.name: column for column in (*before.columns, *now.columns)}
    told = {line.source for line in now.missing}
    read = [column.name for column in now.columns]
    earlier = [
        line
        for line in before.missing
        if line.source not in told and not any(name.startswith(line.source) for name in read)
    ]
    both = TelemetryAccount(
        hz=now.hz,
        columns=tuple(columns.values()),
        missing=(*now.missing, *earlier),
        energy_counters=tuple(dict.fromkeys((*before.energy_counters, *now.energy_counters))),
        power_gauges=tuple(dict.fromkeys((*before.power_gauges, *now.power_gauges))),
    )
    return both.model_copy(update={"idle": _idle_of(both, before, now)})


def _idle_of(both: TelemetryAccount, before: TelemetryAccount, now: TelemetryAccount) -> IdlePower | None:
    if _summed(before) == _summed(both) and before.idle is not None:
        return before.idle
    # What was known before is handed on, and says nothing of a counter that came later.
    return now.idle if _summed(now) == _summed(both) and now.idle != before.idle else None


def _summed(account: TelemetryAccount) -> frozenset[str]:
    return frozenset((*account.energy_counters, *account.power_gauges))


def unread(missing: Sequence[Missing]) -> tuple[UnreadSource, ...]:
    """Return lines for the manifest."""
    return tuple(UnreadSource(**asdict(one)) for one in missing)
