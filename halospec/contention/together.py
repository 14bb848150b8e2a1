"""The loads of a trial as one: on together, off together."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio

from halospec.clock import Clock
from halospec.contention.activity import Activities
from halospec.contention.cache import program_of_cache
from halospec.contention.cpu import ShareSteering, program_of_cpu
from halospec.contention.disk import program_of_disk
from halospec.contention.injection import Injection
from halospec.contention.loads import AnyLoad, CacheLoad, CpuLoad, DiskLoad, Load, LoadKind, MemoryLoad, ProcessLoad
from halospec.contention.memory import program_of_memory
from halospec.contention.no_load import NoLoad
from halospec.contention.process import program_of_process
from halospec.contention.program import Program
from halospec.contention.protocol import ContentionError, Injected, Injector


class Together:
    """Loads that are started and stopped at the same time; see ``Injector`` for the contract."""

    def __init__(self, injections: Sequence[Injection]) -> None:
        self._injections = tuple(injections)

    @property
    def running(self) -> bool:
        """Whether they have been started and not yet stopped."""
        return any(one.running for one in self._injections)

    @property
    def injected(self) -> tuple[Injected, ...]:
        """Each load with what it was measured to do so far, up to now while it runs."""
        return tuple(Injected(one.load, one.activity, one.ended_early) for one in self._injections)

    @property
    def activities(self) -> Activities:
        """What phases follow."""
        injected = self.injected
        return Activities(
            loads=tuple(one.activity for one in injected),
            cpu={
                place: one.load.what.workers for place, one in enumerate(injected) if one.load.what.kind is LoadKind.CPU
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start all at once and return when each is seen at work; nothing for those that run already.

        Raises
        ------
        ContentionError
            If one could not be put on; none is left then.
        """
        refusals: list[ContentionError] = []

        async def start(one: Injection) -> None:
            try:
                await one.start()
            except ContentionError as refusal:
                refusals.append(refusal)
                starting.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as starting:
                for injection in self._injections:
                    starting.start_soon(start, injection)
        except BaseException:
            await self.stop()
            raise
        if refusals:
            await self.stop()
            raise refusals[0]

    async def stop(self) -> None:
        """End all at once and return when all are gone; nothing if none run."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as stopping:
                for injection in self._injections:
                    stopping.start_soon(injection.stop)


def injector_for(loads: Sequence[Load], clock: Clock) -> Injector:
    """Return what puts a plan's loads on the machine.

    Parameters
    ----------
    clock
        The run's clock, on which activity is recorded.
    """
    return Together([_injection_of(load, clock) for load in loads]) if loads else NoLoad()


def program_of(what: AnyLoad) -> Program:
    """Return how a load of any kind is carried out."""
    match what:
        case CpuLoad():
            return program_of_cpu(what)
        case MemoryLoad():
            return program_of_memory(what)
        case CacheLoad():
            return program_of_cache(what)
        case DiskLoad():
            return program_of_disk(what)
        case ProcessLoad():
            return program_of_process(what)


def _injection_of(load: Load, clock: Clock) -> Injection:
    steering = ShareSteering(load.what) if isinstance(load.what, CpuLoad) else None
    return Injection(load, program_of(load.what), clock, steering)
