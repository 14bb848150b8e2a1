"""What the loads of the trial under way do, beside what else is read at the same moment."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.contention.loads import Load
from halospec.contention.protocol import Injector
from halospec.contention.spelling import spelled
from halospec.telemetry.protocol import Column, Reading

SOURCE = "load"


class LoadSampler:
    """Reads the injector that it was last told of, as long as its load is on.

    Parameters
    ----------
    loads
        Those that trials may have.
    """

    source = SOURCE

    def __init__(self, loads: Sequence[Load]) -> None:
        self._injector: Injector | None = None
        columns = []
        for load in dict.fromkeys(loads):
            name, unit = spelled(load), load.what.unit
            columns.append(Column(f"{name}.amount", f"what the load {name} did, in {unit}"))
            if load.what.amount is not None:
                columns.append(Column(f"{name}.target", f"what the load {name} was meant to do, in {unit}"))
        self.columns = tuple(columns)

    def watch(self, injector: Injector) -> Injector:
        """Read this injector from now on; return it."""
        self._injector = injector
        return injector

    def read(self) -> Reading:
        """Read each load's latest sample; nothing while none is on."""
        injector = self._injector
        if injector is None or not injector.running:
            return {}
        values: dict[str, float] = {}
        for injected in injector.injected:
            samples = injected.activity.samples
            if not samples:
                continue
            name, latest = spelled(injected.load), samples[-1]
            values[f"{name}.amount"] = round(latest.amount, 3)
            if latest.target is not None:
                values[f"{name}.target"] = round(latest.target, 3)
        return values

    def close(self) -> None:
        """Forget the injector."""
        self._injector = None
