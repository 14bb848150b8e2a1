"""CPU contention: burner processes at a set share, measured while they burn."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.fleet import BurnerFleet
from halospec.contention.protocol import ContentionError
from halospec.contention.sampler import ActivitySampler
from halospec.cores import available_cores

START_TIMEOUT_S = 10.0
_LOOK_AGAIN_S = 0.002
ONSET_TIMEOUT_S = 1.0
"""Burners that were not seen at work by then get no CPU; the run goes on and its records say so."""
MAX_WORKERS_PER_CORE = 8
"""More burners than this on a core load the scheduler and the memory rather than the CPU."""


@dataclass(frozen=True)
class CpuLoadSettings:
    """How much CPU load to offer.

    Attributes
    ----------
    workers
        Burner processes, each able to load one core; all cores that this process may use by default.
    percent
        Share of a core's time that each burner asks for, 0 < percent <= 100.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    workers: int = field(default_factory=available_cores)
    percent: float = 100.0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(
                f"CPU load needs at least 1 worker, not {self.workers}; leave the load off to run without any."
            )
        most = MAX_WORKERS_PER_CORE * available_cores()
        if self.workers > most:
            raise ValueError(
                f"{self.workers} load workers are too many for {available_cores()} cores; ask for {most} at most."
            )
        if not 0 < self.percent <= 100:
            raise ValueError(
                f"The load percent must be above 0 and at most 100, not {self.percent:g}; "
                "it is the share of each worker's core."
            )


class CpuInjector:
    """Loads the CPU with burner processes; see ``Injector`` for the contract.

    A load may be started again after it was stopped; its activity goes on from what was measured before.

    Parameters
    ----------
    clock
        The run's clock, on which activity is recorded.
    """

    def __init__(self, settings: CpuLoadSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._sampler = ActivitySampler(settings.workers, clock)
        self._fleet: BurnerFleet | None = None
        self._changing = anyio.Lock()

    @property
    def workers(self) -> int:
        """Burner processes, each meant for one core."""
        return self._settings.workers

    @property
    def offered_percent(self) -> float:
        """CPU share that each burner asks for."""
        return self._settings.percent

    @property
    def running(self) -> bool:
        """Whether the load has been started and not yet stopped, even if its burners were ended from outside."""
        return self._fleet is not None

    @property
    def activity(self) -> Activity:
        """What the burners were measured to do so far, up to now while they run."""
        return self._sampler.activity

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the burners and return when they are seen at work; nothing if they run already.

        The system counts CPU time in steps of about 10 ms. A request sent before the first step would seem to have run
        beside idle burners.

        Raises
        ------
        ContentionError
            If one does not start, or not in time; none is left then.
        """
        async with self._changing:
            if self._fleet is not None:
                return
            fleet = BurnerFleet(self._settings.workers, self._settings.percent)
            try:
                await _ignite(fleet)
                self._sampler.begin(fleet.cpu_ns)
            except BaseException:
                await self._end(fleet)
                raise
            self._fleet = fleet
        await self._until_seen_at_work()

    async def _until_seen_at_work(self) -> None:
        since_ns = self._clock()
        with anyio.move_on_after(ONSET_TIMEOUT_S):
            # The system has no event for this.
            while not self.activity.overlap(since_ns, self._clock()):  # noqa: ASYNC110
                await anyio.sleep(_LOOK_AGAIN_S)

    async def stop(self) -> None:
        """End the burners and return when all are gone; nothing if none run."""
        with anyio.CancelScope(shield=True):
            async with self._changing:
                if self._fleet is not None:
                    await self._end(self._fleet)

    async def _end(self, fleet: BurnerFleet) -> None:
        # Cancelled or not, a trial's load must not outlive it.
        with anyio.CancelScope(shield=True):
            try:
                await to_thread.run_sync(self._sampler.end)
            finally:
                await to_thread.run_sync(fleet.end)
                self._fleet = None


async def _ignite(fleet: BurnerFleet) -> None:
    with anyio.move_on_after(START_TIMEOUT_S) as in_time:
        await to_thread.run_sync(fleet.spawn)
        # The wait may be left behind: it returns as soon as the caller ends the burners.
        await to_thread.run_sync(fleet.wait_until_burning, abandon_on_cancel=True)
    if in_time.cancelled_caught:
        raise ContentionError(
            f"Not all load burners began to burn within {START_TIMEOUT_S:g} s; "
            "ask for fewer load workers or try again on a less busy machine."
        )
