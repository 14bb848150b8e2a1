"""How much the workers of a load have done: their CPU time as the system counts it, or bytes by their own word."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import IO, Protocol

import psutil

LOOK_FOR_OTHERS_S = 0.5
"""Between two looks at which processes workers have started. A look reads every process of the system."""


class Counts(Protocol):
    """A count over all workers that never falls."""

    def add(self, worker: psutil.Process, output: IO[bytes]) -> None:
        """Take in a worker that is ready; ``output`` is what it writes from now on."""
        ...

    def count(self) -> int:
        """Return what all together have done, the work of those included that have ended since."""
        ...

    def close(self) -> None:
        """Hear the last words out, when all workers have ended."""
        ...

    @property
    def last_words(self) -> str | None:
        """What a worker said that is no count, such as why it broke down; ``None`` if none did. Whole once closed."""
        ...


class CpuTimes:
    """Nanoseconds of CPU that workers have used, and, if they start others, all of those.

    What has vanished keeps the last time that was read of it. Where the system adds the time of a process that has
    ended to its parent's account (Linux, for those that are waited for), nothing is missing even of processes too
    short-lived ever to be seen.
    """

    def __init__(self, starts_others: bool) -> None:
        self._starts_others = starts_others
        self._workers: list[psutil.Process] = []
        self._others: list[psutil.Process] = []
        self._looked_s = float("-inf")
        self._own_s: dict[psutil.Process, float] = {}
        self._latest_ns = 0
        self._outputs: list[IO[bytes]] = []
        self._last_words: str | None = None

    def add(self, worker: psutil.Process, output: IO[bytes]) -> None:
        """Take in a worker."""
        self._workers.append(worker)
        self._outputs.append(output)

    def count(self) -> int:
        """Return the CPU time so far."""
        if self._starts_others and time.monotonic() - self._looked_s >= LOOK_FOR_OTHERS_S:
            self._others = self._started_by_workers()
            self._looked_s = time.monotonic()
        with_waited_for_s = 0.0
        # Parents first: one that ends between two readings is then missed until the next, never counted twice.
        for process in (*self._workers, *self._others):
            # AccessDenied is what macOS says of a process that has ended and was not waited for yet.
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                self._own_s[process] = own_s = times.user + times.system
                with_waited_for_s += own_s + (_waited_for_s(times) if self._starts_others else 0.0)
        self._latest_ns = max(self._latest_ns, round(max(with_waited_for_s, sum(self._own_s.values())) * 1e9))
        return self._latest_ns

    def close(self) -> None:
        """Keep the last count, and the last words."""
        said = [line for output in self._outputs for line in output.read().decode(errors="replace").splitlines()]
        self._last_words = next((line.strip() for line in reversed(said) if line.strip()), self._last_words)
        self._outputs = []

    @property
    def last_words(self) -> str | None:
        """What a worker said."""
        return self._last_words

    def _started_by_workers(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for worker in self._workers:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found += worker.children(recursive=True)
        return found


class OwnCounts:
    """Bytes that workers say they have moved; a line with the sum so far each time."""

    def __init__(self) -> None:
        self._said: dict[int, int] = {}
        self._last_words: str | None = None
        self._listeners: list[threading.Thread] = []

    def add(self, worker: psutil.Process, output: IO[bytes]) -> None:
        """Listen to a worker."""
        listener = threading.Thread(
            target=self._listen, args=(worker.pid, output), name="halospec-load-count", daemon=True
        )
        self._said[worker.pid] = 0
        self._listeners.append(listener)
        listener.start()

    def count(self) -> int:
        """Return the bytes so far."""
        return sum(self._said.values())

    def close(self) -> None:
        """Hear the last words out."""
        for listener in self._listeners:
            listener.join()

    @property
    def last_words(self) -> str | None:
        """What a worker said."""
        return self._last_words

    def _listen(self, worker_id: int, output: IO[bytes]) -> None:
        for line in output:
            # The last line of a worker that was killed may be torn, and one that broke down says why.
            if line.endswith(b"\n") and line.strip().isdigit():
                self._said[worker_id] = max(self._said[worker_id], int(line))
            elif not line.strip().isdigit() and line.strip():
                self._last_words = line.decode(errors="replace").strip()


def _waited_for_s(times: object) -> float:
    return float(getattr(times, "children_user", 0.0)) + float(getattr(times, "children_system", 0.0))
