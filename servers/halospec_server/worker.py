"""The decode thread: one request at a time, the others in a bounded queue, HTTP kept off it."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future

from halospec_server.completion import Report, complete
from halospec_server.engine import Engine, Generation

_log = logging.getLogger("halospec_server.worker")


class QueueFull(RuntimeError):
    """As many requests wait as the server was told to let wait."""


class GenerationFailed(RuntimeError):
    """The engine failed; the log has the reason."""


class Job:
    """A request on its way through the decode thread.

    Iterate over `events` in the event loop that made the job: pieces of text, then one `Report`. `cancel` may be
    called from anywhere, any number of times; the decode thread lets go before its next pass.
    """

    def __init__(self, generation: Generation, stops: tuple[str, ...]) -> None:
        self.generation = generation
        self.stops = stops
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[str | Report | GenerationFailed] = asyncio.Queue()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Say that nobody wants the rest."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the rest."""
        return self._cancelled.is_set()

    async def events(self) -> AsyncIterator[str | Report]:
        """Yield text as it comes and the report at the end.

        Raises
        ------
        GenerationFailed
            If the engine failed.
        """
        while True:
            event = await self._events.get()
            if isinstance(event, GenerationFailed):
                raise event
            yield event
            if isinstance(event, Report):
                return

    def post(self, event: str | Report | GenerationFailed) -> None:
        """Hand an event over from the decode thread."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:
            # The event loop is closed: the server is shutting down and nobody can read this.
            self.cancel()


class DecodeWorker:
    """Runs jobs one after another on a thread of its own.

    No other thread may decode, not even once: OpenMP keeps a team of threads for each thread that ever did, and with
    more of them than cores its barriers give up spinning, which made every pass half as slow again.

    Parameters
    ----------
    max_queue
        Jobs that may wait besides the one that runs.
    """

    def __init__(self, engine: Engine, max_queue: int) -> None:
        self._engine = engine
        self._max_queue = max_queue
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._unfinished: set[Job] = set()
        self._lock = threading.Lock()
        self._warm: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)

    def start(self) -> None:
        """Start the thread and return when the models are warm.

        Raises
        ------
        LlamaError
            If they cannot decode.
        """
        self._thread.start()
        self._warm.result()

    def stop(self) -> None:
        """Let the job that runs finish or be cancelled, then end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises
        ------
        QueueFull
            If ``max_queue`` jobs wait already.
        """
        with self._lock:
            # Whoever has gone away takes no place, though the decode thread has yet to notice.
            if sum(not waiting.cancelled for waiting in self._unfinished) > self._max_queue:
                raise QueueFull
            self._unfinished.add(job)
        self._jobs.put(job)

    def _run(self) -> None:
        try:
            self._engine.warm_up()
        except Exception as error:  # noqa: BLE001  # whatever it is, start() waits for it and raises it
            self._warm.set_exception(error)
            return
        self._warm.set_result(None)
        while (job := self._jobs.get()) is not None:
            last = None if job.cancelled else self._complete(job)
            # Counted out before its end is told: whoever waited for it may ask again at once.
            with self._lock:
                self._unfinished.discard(job)
            if last is not None:
                job.post(last)

    def _complete(self, job: Job) -> Report | GenerationFailed:
        """Post all of a job's events but the last, and return that."""
        try:
            for event in complete(self._engine, job.generation, job.stops, lambda: job.cancelled):
                if isinstance(event, Report):
                    return event
                job.post(event)
        except Exception:  # noqa: BLE001  # whatever happens, the thread that everyone waits for goes on; it is logged
            _log.exception("a request failed")
        return GenerationFailed("the engine failed")
