"""A request on its way through the decode thread, and what comes back of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from halospec_server.decoding.generation import Generation
from halospec_server.jobs.completion import Account, Completion, Written


class Failure(Exception):
    """A request that gets no (further) reply."""


class GenerationFailed(Failure):
    """The engine failed; the log has the reason."""


class DeadlineExceeded(Failure):
    """The time was up before anything was generated."""


class ShuttingDown(Failure):
    """The server was told to stop."""


class Dropped:
    """A text that nobody wants any more has given up its place."""


Event = Written | Account | Failure | Dropped


@dataclass(frozen=True)
class Delivery:
    """An event on its way from the decode thread; a `Failure` is the whole job's."""

    job: Job
    choice: int
    event: Event


class Job:
    """A request: one or more texts from one prompt.

    The event loop iterates over `batches`; the decode thread works on `completions`. `cancel` may be called from
    anywhere, any number of times; the decode thread lets go before its next pass.

    Parameters
    ----------
    streamed
        Whether text is wanted as it comes; if not, it comes with its end, and wakes the event loop only once.
    arrived_ns
        On the clock of ``time.perf_counter_ns``; now, if it is left out.
    deadline_ns
        After it nothing more is generated. On the same clock.

    Attributes
    ----------
    unfinished
        Texts that still occupy a place in the queue or a slot, as the event loop knows it.
    """

    def __init__(
        self,
        generations: tuple[Generation, ...],
        stops: tuple[str, ...],
        piece: Callable[[int], bytes],
        *,
        streamed: bool = True,
        arrived_ns: int | None = None,
        deadline_ns: int | None = None,
    ) -> None:
        self.completions = tuple(Completion(generation, stops, piece) for generation in generations)
        self.streamed = streamed
        self.arrived_ns = time.perf_counter_ns() if arrived_ns is None else arrived_ns
        self.deadline_ns = deadline_ns
        self.cancelled = False
        self.unfinished = len(generations)
        self._events: asyncio.Queue[Delivery] = asyncio.Queue()

    @property
    def admitted(self) -> bool:
        """Whether any of its texts ever got a slot."""
        return any(completion.admitted_ns is not None for completion in self.completions)

    @property
    def has_text(self) -> bool:
        """Whether any token was generated."""
        return any(completion.tokens for completion in self.completions)

    def cancel(self) -> None:
        """Say that nobody wants the rest."""
        self.cancelled = True

    def put(self, delivery: Delivery) -> None:
        """Hand over an event; called in the event loop."""
        self._events.put_nowait(delivery)

    async def batches(self) -> AsyncIterator[list[tuple[int, Written | Account]]]:
        """Yield what has come since the last time, with the numbers of the texts it belongs to, to the end of all.

        Raises
        ------
        Failure
            If the request gets no further reply.
        """
        ended = 0
        while ended < len(self.completions):
            batch: list[tuple[int, Written | Account]] = []
            failure: Failure | None = None
            for delivery in await self._arrivals():
                if isinstance(delivery.event, Failure):
                    failure = delivery.event
                elif not isinstance(delivery.event, Dropped):
                    batch.append((delivery.choice, delivery.event))
                    ended += isinstance(delivery.event, Account)
            if batch:
                yield batch
            if failure is not None:
                raise failure

    async def _arrivals(self) -> list[Delivery]:
        """Wait for an event and return it with all that have come as well."""
        arrivals = [await self._events.get()]
        while not self._events.empty():
            arrivals.append(self._events.get_nowait())
        return arrivals
