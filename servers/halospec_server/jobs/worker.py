"""The event loop's side of the decode thread: a bounded queue in, text out, HTTP kept off the thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.slots import SlotState
from halospec_server.jobs.completion import Account, Completion
from halospec_server.jobs.counters import Counters
from halospec_server.jobs.decoder import Command, Decoder
from halospec_server.jobs.job import Delivery, Dropped, Job, ShuttingDown
from halospec_server.jobs.retry_after import soonest_end_s

_log = logging.getLogger("halospec_server.jobs.worker")


class QueueFull(Exception):
    """As many texts wait as the server was told to let wait; ``retry_after_s`` says when one of them may not."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class DecodeWorker:
    """Gives work to a thread that decodes, and its text to those who wait for it.

    No other thread may decode, not even once: OpenMP keeps a team of threads for each thread that ever did, and with
    more of them than cores its barriers give up spinning, which made every pass half as slow again.

    All methods are for the event loop in which it was started.

    Parameters
    ----------
    max_queue
        Texts that may wait besides those in slots.
    """

    def __init__(self, engine: Engine, max_queue: int) -> None:
        self.draining = False
        self._engine = engine
        self._places = engine.parallel + max_queue
        self._decoder = Decoder(engine, self._hand_over)
        self._jobs: set[Job] = set()
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()
        self._warm: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Start the thread, once, and return when the models are warm.

        Raises
        ------
        LlamaError
            If they cannot decode.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        await asyncio.wrap_future(self._warm)

    async def stop(self) -> None:
        """End what runs before its next pass, and the thread."""
        self.draining = True
        self._decoder.inbox.put(Command.EXIT)
        await asyncio.to_thread(self._thread.join)

    def submit(self, job: Job) -> None:
        """Queue a job. All of its texts get in as long as there is a place for the first.

        Raises
        ------
        QueueFull
            If ``max_queue`` texts wait already.
        ShuttingDown
            If no more work is taken.
        """
        self.require_place()
        self._jobs.add(job)
        self._nobody_waits.clear()
        self._decoder.inbox.put(job)

    def require_place(self) -> None:
        """Raise what `submit` would raise now, before any work is put into a request."""
        if self.draining:
            raise ShuttingDown
        wanted = self._wanted()
        if len(wanted) >= self._places:
            raise QueueFull(soonest_end_s(wanted, time.perf_counter_ns()))

    def drain(self) -> None:
        """Take no more work, send those away that wait, and let those finish that run."""
        self.draining = True
        self._decoder.inbox.put(Command.DRAIN)

    def end(self) -> None:
        """End what runs before its next pass."""
        self._decoder.inbox.put(Command.END)

    async def idle(self) -> None:
        """Return as soon as nobody waits for anything."""
        await self._nobody_waits.wait()

    @property
    def running(self) -> int:
        """Texts in slots."""
        return sum(text.admitted_ns is not None for text in self._wanted())

    @property
    def waiting(self) -> int:
        """Texts in the queue."""
        return sum(text.admitted_ns is None for text in self._wanted())

    @property
    def broken(self) -> bool:
        """Whether the engine failed in such a way that only a new start helps."""
        return self._decoder.broken

    @property
    def counters(self) -> Counters:
        """What has been done so far."""
        return self._decoder.counters

    @property
    def slots(self) -> list[SlotState]:
        """What the slots held a moment ago."""
        return self._decoder.slots

    def _wanted(self) -> list[Completion]:
        """Return the texts that take a place; whoever has gone away takes none, though it may not be noticed yet."""
        return [text for job in self._jobs if not job.cancelled for text in job.completions if not text.ended]

    def _run(self) -> None:
        try:
            self._engine.warm_up()
        except Exception as error:  # noqa: BLE001  # whatever it is, start() waits for it and raises it
            self._warm.set_exception(error)
            return
        self._warm.set_result(None)
        self._decoder.run()

    def _hand_over(self, deliveries: list[Delivery]) -> None:
        """Bring what a step brought to the event loop; called on the decode thread.

        One call for all of it: each wakes the loop, which then takes a core from the pass that runs by now.
        """
        assert self._loop is not None  # noqa: S101  # the thread that calls this is started after it is set
        try:
            self._loop.call_soon_threadsafe(self._receive, deliveries)
        except RuntimeError:
            _log.debug("the event loop is closed; nobody can read what was decoded")

    def _receive(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            job, event = delivery.job, delivery.event
            # Counted out before its end is told: whoever waited for it may ask again at once.
            if isinstance(event, Account | Dropped):
                job.unfinished -= 1
                if job.unfinished == 0:
                    self._jobs.discard(job)
                    if not self._jobs:
                        self._nobody_waits.set()
            job.put(delivery)
