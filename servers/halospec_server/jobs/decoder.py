"""What happens on the decode thread: texts get slots, the engine takes steps, text goes out. No HTTP, no event loop."""

from __future__ import annotations

import enum
import logging
import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Step
from halospec_server.decoding.sequence import Sequence
from halospec_server.decoding.slots import SlotState
from halospec_server.jobs.completion import Completion, Written
from halospec_server.jobs.counters import Counters
from halospec_server.jobs.job import (
    DeadlineExceeded,
    Delivery,
    Dropped,
    Event,
    Failure,
    GenerationFailed,
    Job,
    ShuttingDown,
)

_log = logging.getLogger("halospec_server.jobs.decoder")

_PUBLISHING_INTERVAL_NS = 100_000_000


class Command(enum.Enum):
    """What the event loop may ask for besides work."""

    DRAIN = enum.auto()
    """Finish the requests that run, send those away that wait."""
    END = enum.auto()
    """End the requests that run, too."""
    EXIT = enum.auto()
    """End them and leave."""


@dataclass(eq=False)
class _Text:
    """One text of a job, and what of it waits for its end to be sent."""

    job: Job
    choice: int
    unsent: list[Delivery] = field(default_factory=list)

    @property
    def completion(self) -> Completion:
        return self.job.completions[self.choice]


class Decoder:
    """The loop that the decode thread runs.

    Parameters
    ----------
    deliver
        Takes what a step brought, all of it at once.

    Attributes
    ----------
    inbox
        Where jobs and commands come in.
    counters, slots
        What it has done, and what its slots held a moment ago: for others to read.
    broken
        Whether the engine is beyond repair.
    """

    def __init__(self, engine: Engine, deliver: Callable[[list[Delivery]], None]) -> None:
        self.inbox: queue.SimpleQueue[Job | Command] = queue.SimpleQueue()
        self.counters = Counters()
        self.slots: list[SlotState] = []
        self.broken = False
        self._engine = engine
        self._deliver = deliver
        self._waiting: deque[_Text] = deque()
        self._running: dict[Sequence, _Text] = {}
        self._outbox: list[Delivery] = []
        self._leaving = False
        self._published_ns = 0

    def run(self) -> None:
        """Work until told to leave."""
        self._publish()
        while not self._leaving and not self.broken:
            try:
                self._turn()
            except Exception:  # noqa: BLE001  # whatever it is, the thread that everyone waits for goes on
                _log.exception("decoding failed, and %d running texts with it", len(self._running))
                self._start_afresh()
            self._hand_over()
        while not self._leaving:
            self._take(self.inbox.get())
            self._fail_waiting()
            self._hand_over()

    def _turn(self) -> None:
        self._read_inbox()
        self._drop_unwanted()
        self._admit()
        # Whoever was dropped is told before the pass, which may be long.
        self._hand_over()
        self._step()
        self._publish()

    def _read_inbox(self) -> None:
        """Take in what has come; with nothing to do, wait for it."""
        if not self._running and not self._waiting:
            self._take(self.inbox.get())
        while not self.inbox.empty():
            self._take(self.inbox.get_nowait())

    def _take(self, item: Job | Command) -> None:
        if isinstance(item, Job):
            self._waiting.extend(_Text(item, choice) for choice in range(len(item.completions)))
            return
        for text in (*self._waiting, *self._running.values()):
            if item is not Command.DRAIN or not text.job.admitted:
                self._fail(text.job, ShuttingDown())
        self._leaving |= item is Command.EXIT

    def _drop_unwanted(self) -> None:
        """Let go of texts that nobody wants or whose time is up."""
        now_ns = time.perf_counter_ns()
        for text in (*self._waiting, *self._running.values()):
            if text.job.deadline_ns is not None and now_ns >= text.job.deadline_ns and not text.job.has_text:
                self._fail(text.job, DeadlineExceeded())
        for text in [text for text in self._waiting if self._ends_here(text, now_ns)]:
            self._waiting.remove(text)
        for sequence, text in list(self._running.items()):
            if self._ends_here(text, now_ns):
                del self._running[sequence]
                self._engine.release(sequence)

    def _ends_here(self, text: _Text, now_ns: int) -> bool:
        """Whether a text is not to be taken further; if so, its end is told."""
        if text.job.cancelled:
            self._post(text, Dropped())
        elif text.job.deadline_ns is not None and now_ns >= text.job.deadline_ns:
            self._conclude(text, now_ns, deadline_exceeded=True)
        else:
            return False
        return True

    def _admit(self) -> None:
        while self._waiting and self._engine.free:
            text = self._waiting.popleft()
            text.completion.admitted_ns = time.perf_counter_ns()
            try:
                sequence = self._engine.admit(text.completion.generation)
            except ValueError:
                _log.exception("a request that was found sound could not be started")
                self._give_up(text)
                continue
            except Exception:
                self._give_up(text)
                raise
            text.completion.drafter = sequence.drafter_name
            self._running[sequence] = text

    def _step(self) -> None:
        if not self._running:
            return
        steps = self._engine.step()
        self.counters.passes += 1
        now_ns = time.perf_counter_ns()
        for sequence, step in steps:
            self._follow(sequence, step, now_ns)

    def _follow(self, sequence: Sequence, step: Step, now_ns: int) -> None:
        """Hand on what a step brought to one text."""
        text = self._running[sequence]
        completion = text.completion
        known, since_ns = completion.tokens, completion.last_token_ns or completion.admitted_ns or now_ns
        written = completion.take(step, now_ns)
        self.counters.count(step.cost, sequence.prompt_length, completion.tokens - known, now_ns - since_ns)
        if written is not None:
            self._write(text, written)
        if step.finished or completion.stopped:
            self._conclude(text, now_ns)
            del self._running[sequence]
            self._engine.release(sequence)

    def _conclude(self, text: _Text, now_ns: int, *, deadline_exceeded: bool = False) -> None:
        rest = text.completion.finish()
        if rest is not None:
            self._write(text, rest)
        self._outbox += text.unsent
        self._post(text, text.completion.account(now_ns, deadline_exceeded=deadline_exceeded))

    def _start_afresh(self) -> None:
        for text in self._running.values():
            self._give_up(text)
        self._running.clear()
        try:
            self._engine.reset()
            self._publish()
        except Exception:  # noqa: BLE001  # the thread must still tell everyone who waits for it
            _log.exception("the engine is beyond repair; start the server again")
            self.broken = True
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        while self._waiting:
            self._give_up(self._waiting.popleft())

    def _give_up(self, text: _Text) -> None:
        self._fail(text.job, GenerationFailed())
        self._post(text, Dropped())

    def _fail(self, job: Job, failure: Failure) -> None:
        """Tell a whole request that it failed, once; its texts are dropped before the next pass."""
        if not job.cancelled:
            job.cancel()
            self._outbox.append(Delivery(job, 0, failure))

    def _write(self, text: _Text, written: Written) -> None:
        (self._outbox if text.job.streamed else text.unsent).append(Delivery(text.job, text.choice, written))

    def _post(self, text: _Text, event: Event) -> None:
        self._outbox.append(Delivery(text.job, text.choice, event))

    def _hand_over(self) -> None:
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._deliver(outbox)

    def _publish(self) -> None:
        """Let others see the slots: now and then, and always before idling."""
        now_ns = time.perf_counter_ns()
        if not self._running or now_ns - self._published_ns >= _PUBLISHING_INTERVAL_NS:
            self.slots = self._engine.slots()
            self._published_ns = now_ns
