"""Switching a trial's load on and off when its plan says so, by step or by the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from halospec.contention.protocol import Injector
from halospec.experiment.phases import LoadWindow


class LoadSchedule:
    """Drives an injector through a window. Made by `scheduled_load`."""

    def __init__(self, window: LoadWindow | None, injector: Injector, tasks: TaskGroup) -> None:
        self._window = window
        self._injector = injector
        self._tasks = tasks
        self._entered = False

    async def before_step(self, step: int) -> None:
        """Switch as the plan wants it for a step; returns when the load is on, or gone.

        The first step that is announced may lie in the middle of the window, or behind it: a run goes on there.
        """
        window = self._window
        if window is None:
            return
        if window.stop_step is not None and step >= window.stop_step:
            await self._injector.stop()
        elif not self._entered and (window.start_step is None or step >= window.start_step):
            self._entered = True
            await self._enter(window)

    async def _enter(self, window: LoadWindow) -> None:
        if window.start_s is not None:
            self._tasks.start_soon(self._run_by_the_clock, window.start_s, window.duration_s)
            return
        await self._injector.start()
        if window.duration_s is not None:
            self._tasks.start_soon(self._stop_after, window.duration_s)

    async def _run_by_the_clock(self, start_s: float, duration_s: float | None) -> None:
        await anyio.sleep(start_s)
        await self._injector.start()
        if duration_s is not None:
            await self._stop_after(duration_s)

    async def _stop_after(self, duration_s: float) -> None:
        await anyio.sleep(duration_s)
        await self._injector.stop()


@asynccontextmanager
async def scheduled_load(window: LoadWindow | None, injector: Injector) -> AsyncIterator[LoadSchedule]:
    """Enter an injector and a schedule for it; on leaving, timers are dropped and the load is gone."""
    try:
        async with injector, anyio.create_task_group() as tasks:
            yield LoadSchedule(window, injector, tasks)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # Callers should not have to know that a task group carried what failed; the first fault is the one to tell.
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
