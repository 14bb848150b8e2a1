"""What an injector is: something that loads the machine during part of a trial and says what it did."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from halospec.contention.activity import Activity


class ContentionError(Exception):
    """A load that could not be put on the machine, with the reason in one sentence."""


class Injector(Protocol):
    """A load for one trial: an async context manager that starts nothing on entry and has stopped on exit.

    Attributes
    ----------
    workers
        Cores that it means to load; 0 for no load.
    offered_percent
        CPU share that each worker asks for. What it gets is in ``activity``.
    running
        Whether the load has been started and not yet stopped.
    activity
        What the load was measured to do so far, up to now while it runs.
    """

    @property
    def workers(self) -> int: ...  # noqa: D102

    @property
    def offered_percent(self) -> float: ...  # noqa: D102

    @property
    def running(self) -> bool: ...  # noqa: D102

    @property
    def activity(self) -> Activity: ...  # noqa: D102

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
