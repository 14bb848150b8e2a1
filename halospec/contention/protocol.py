"""What an injector is: something that loads the machine during part of a trial and says what it did."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from halospec.contention.activity import Activities, Activity
from halospec.contention.loads import Load


class ContentionError(Exception):
    """A load that could not be put on the machine, with the reason in one sentence."""


@dataclass(frozen=True)
class Injected:
    """A load, and what it was measured to do.

    Attributes
    ----------
    ended_early
        What is known of workers that ended by themselves before the load was to end; ``None`` if none did.
    """

    load: Load
    activity: Activity
    ended_early: str | None = None


class Injector(Protocol):
    """The loads of one trial: an async context manager that starts nothing on entry and has stopped on exit.

    Attributes
    ----------
    running
        Whether it has been started and not yet stopped.
    injected
        Its loads, each with what it was measured to do so far, up to now while it runs.
    activities
        The same without the loads: what phases follow.
    """

    @property
    def running(self) -> bool: ...  # noqa: D102

    @property
    def injected(self) -> tuple[Injected, ...]: ...  # noqa: D102

    @property
    def activities(self) -> Activities: ...  # noqa: D102

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def start(self) -> None:
        """Begin the load and return when all of it is on; nothing if it runs already.

        Raises
        ------
        ContentionError
            If it could not be put on; none of it is left then.
        """
        ...

    async def stop(self) -> None:
        """End the load and return when all of it is gone; nothing if none runs."""
        ...
