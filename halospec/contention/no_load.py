"""The injector of a trial that nothing disturbs."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from halospec.contention.activity import Activities
from halospec.contention.protocol import Injected


class NoLoad:
    """Keeps to the injector's protocol and does nothing."""

    running = False
    injected: tuple[Injected, ...] = ()
    activities = Activities()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""
