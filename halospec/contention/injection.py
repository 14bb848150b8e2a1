"""One load on the machine: its workers from start to stop, and what they were measured to do."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.fleet import Fleet
from halospec.contention.loads import Load
from halospec.contention.program import Program
from halospec.contention.protocol import ContentionError
from halospec.contention.recorder import Scale
from halospec.contention.sampler import ActivitySampler, Steering

START_TIMEOUT_S = 30.0
"""Long enough to fill large buffers."""
ONSET_TIMEOUT_S = 1.0
"""A load that was not seen at work by then gets nothing; the run goes on and its records say so."""
_LOOK_AGAIN_S = 0.002


class Injection:
    """One load, as an async context manager that starts nothing on entry and has stopped on exit.

    It may be started again after it was stopped; its activity goes on from what was measured before, its profile begins
    anew.

    Parameters
    ----------
    program
        How the load is carried out.
    clock
        The run's clock, on which activity is recorded.
    """

    def __init__(self, load: Load, program: Program, clock: Clock, steering: Steering | None = None) -> None:
        self._load = load
        self._program = program
        self._clock = clock
        scale = Scale(program.scale, load.what.amount, program.at_work_above)
        self._sampler = ActivitySampler(scale, clock, load.profile, steering)
        self._fleet: Fleet | None = None
        self._ended_early: str | None = None
        self._changing = anyio.Lock()

    @property
    def load(self) -> Load:
        """What was asked for."""
        return self._load

    @property
    def running(self) -> bool:
        """Whether the load has been started and not yet stopped, even if its workers were ended from outside."""
        return self._fleet is not None

    @property
    def activity(self) -> Activity:
        """What the workers were measured to do so far, up to now while they run."""
        return self._sampler.activity

    @property
    def ended_early(self) -> str | None:
        """What is known of workers that ended before they were to; ``None`` if none did, or they still run."""
        return self._ended_early

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the workers and return when they are seen at work; nothing if they run already.

        The system counts CPU time in steps of about 10 ms. A request sent before the first step would seem to have run
        beside idle workers. A load whose profile begins with nothing is not waited for.

        Raises
        ------
        ContentionError
            If one does not start, or not in time; none is left then.
        """
        async with self._changing:
            if self._fleet is not None:
                return
            first_level = self._load.profile.level(0.0)
            fleet = Fleet(self._program)
            fleet.set_level(first_level)
            try:
                await self._ignite(fleet)
                self._sampler.begin(fleet)
            except BaseException:
                await self._end(fleet)
                raise
            self._fleet = fleet
        if first_level:
            await self._until_seen_at_work()

    async def _ignite(self, fleet: Fleet) -> None:
        with anyio.move_on_after(START_TIMEOUT_S) as in_time:
            await to_thread.run_sync(fleet.spawn)
            # The wait may be left behind: it returns as soon as the caller ends the workers.
            await to_thread.run_sync(fleet.wait_until_ready, abandon_on_cancel=True)
        if in_time.cancelled_caught:
            raise ContentionError(
                f"Not all workers of the {self._load.what.kind} load began within {START_TIMEOUT_S:g} s; "
                "ask for fewer or smaller ones, or try again on a less busy machine."
            )

    async def _until_seen_at_work(self) -> None:
        since_ns = self._clock()
        with anyio.move_on_after(ONSET_TIMEOUT_S):
            # The system has no event for this.
            while not any(self.activity.at_work_in(since_ns, self._clock())):  # noqa: ASYNC110
                await anyio.sleep(_LOOK_AGAIN_S)

    async def stop(self) -> None:
        """End the workers and return when all are gone; nothing if none run."""
        with anyio.CancelScope(shield=True):
            async with self._changing:
                if self._fleet is not None:
                    await self._end(self._fleet)

    async def _end(self, fleet: Fleet) -> None:
        # Cancelled or not, a trial's load must not outlive it.
        with anyio.CancelScope(shield=True):
            try:
                await to_thread.run_sync(self._sampler.end)
            finally:
                await to_thread.run_sync(fleet.end)
                self._ended_early = fleet.ended_early or self._ended_early
                self._fleet = None
