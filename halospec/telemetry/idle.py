"""What the machine draws with the server loaded and nothing asked of it, before the first request of a run."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import numpy as np

from halospec.clock import Clock
from halospec.records.telemetry import IdlePower
from halospec.records.ticks import Tick
from halospec.telemetry.protocol import Sampler

WATCHED_S = 4.0
_READ_EVERY_S = 0.1
_LEAST_SHARE = 0.5
"""Of the time that was watched, that a column has to cover."""


def counts_energy(samplers: Sequence[Sampler]) -> bool:
    """Tell whether any of them counts joules or watts of the machine's consumption."""
    return bool(_counting(samplers))


async def idle_power(samplers: Sequence[Sampler], clock: Clock, *, seconds: float = WATCHED_S) -> IdlePower | None:
    """Watch the machine at rest; ``None`` if nothing here counts energy, or some of it could not be read throughout."""
    counting = _counting(samplers)
    if not counting:
        return None
    ticks: list[Tick] = []
    with anyio.move_on_after(seconds):
        while True:
            try:
                ticks.append(_tick(counting, clock))
            except Exception:  # noqa: BLE001  (a sampler that fails is told of by the recorder, which meets it next)
                return None
            await anyio.sleep(_READ_EVERY_S)
    return mean_power(
        ticks,
        energy=[f"{one.source}.{column.name}" for one in counting for column in one.columns if column.is_energy],
        power=[f"{one.source}.{column.name}" for one in counting for column in one.columns if column.is_power],
    )


def mean_power(ticks: Sequence[Tick], *, energy: Sequence[str], power: Sequence[str]) -> IdlePower | None:
    """Return the mean power over some ticks: growth of counters of joules, and trapezoids under gauges of watts.

    ``None`` if a column does not cover most of the time: the rest alone would be too little.
    """
    if len(ticks) < 2:
        return None
    lasted_s = (ticks[-1].at_ns - ticks[0].at_ns) / 1e9
    watts = 0.0
    for name in (*energy, *power):
        read = [(tick.at_ns / 1e9, tick.values[name]) for tick in ticks if name in tick.values]
        covered_s = read[-1][0] - read[0][0] if read else 0.0
        if covered_s <= 0 or covered_s < _LEAST_SHARE * lasted_s:
            return None
        at_s, values = np.transpose(read)
        joules = values[-1] - values[0] if name in energy else np.dot((values[1:] + values[:-1]) / 2, np.diff(at_s))
        watts += float(joules) / covered_s
    return IdlePower(watts=watts, seconds=lasted_s) if watts >= 0 else None


def _counting(samplers: Sequence[Sampler]) -> list[Sampler]:
    return [one for one in samplers if any(column.is_energy or column.is_power for column in one.columns)]


def _tick(samplers: Sequence[Sampler], clock: Clock) -> Tick:
    at_ns = clock()
    return Tick(at_ns, {f"{one.source}.{name}": value for one in samplers for name, value in one.read().items()})
