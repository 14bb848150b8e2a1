from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from halospec_server.completion import Report
from halospec_server.engine import Engine, Generation
from halospec_server.llama import Context, LlamaError, Logits, Outputs
from halospec_server.worker import DecodeWorker, GenerationFailed, Job, QueueFull
from tiny_engines import greedy, prompt_of


class NoticesTheEnd(Job):
    """Submits another job in the very moment in which this one's end is told."""

    worker: DecodeWorker
    other: Job

    def post(self, event: str | Report | GenerationFailed) -> None:
        if isinstance(event, Report):
            self.worker.submit(self.other)
        super().post(event)


class RemembersEvents(Job):
    """Keeps what it is given."""

    def __init__(self, generation: Generation, stops: tuple[str, ...]) -> None:
        super().__init__(generation, stops)
        self.posted: list[str | Report | GenerationFailed] = []

    def post(self, event: str | Report | GenerationFailed) -> None:
        self.posted.append(event)


async def test_a_job_whose_end_is_told_takes_up_no_place(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=0)
    worker.start()
    job, other = (make(greedy(prompt_of("ka"), 3), ()) for make in (NoticesTheEnd, Job))
    assert isinstance(job, NoticesTheEnd)
    job.worker, job.other = worker, other
    worker.submit(job)
    assert isinstance((await _all_events(job))[-1], Report)
    assert isinstance((await _all_events(other))[-1], Report)
    await asyncio.to_thread(worker.stop)


async def test_places_are_counted_beside_the_job_that_runs(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=2)  # not started: nothing is ever done
    for _ in range(3):
        worker.submit(Job(greedy(prompt_of("ka"), 3), ()))
    with pytest.raises(QueueFull):
        worker.submit(Job(greedy(prompt_of("ka"), 3), ()))


async def test_a_fault_is_told_and_the_thread_goes_on(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=8)
    worker.start()
    faulty, sound = Job(greedy((), 3), ()), Job(greedy(prompt_of("ka"), 3), ())  # the engine refuses an empty prompt
    worker.submit(faulty)
    worker.submit(sound)
    with pytest.raises(GenerationFailed):
        await _all_events(faulty)
    assert isinstance((await _all_events(sound))[-1], Report)
    await asyncio.to_thread(worker.stop)


async def test_only_the_decode_thread_ever_decodes_warming_up_included(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, threads = Context.decode, set()

    def watched(context: Context, tokens: Sequence[int], outputs: Outputs) -> Logits | None:
        threads.add(threading.current_thread().name)
        return decode(context, tokens, outputs)

    monkeypatch.setattr(Context, "decode", watched)
    worker = DecodeWorker(model_engine, max_queue=8)
    worker.start()
    assert threads == {"decode"}, "it is warm when start returns"
    job = Job(greedy(prompt_of("ka"), 3, 2), ())
    worker.submit(job)
    await _all_events(job)
    await asyncio.to_thread(worker.stop)
    assert threads == {"decode"}


async def test_models_that_cannot_decode_are_said_at_the_start(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_context: Context, _tokens: Sequence[int], _outputs: Outputs) -> None:
        raise LlamaError("llama_decode failed")

    monkeypatch.setattr(Context, "decode", broken)
    with pytest.raises(LlamaError, match="llama_decode failed"):
        DecodeWorker(model_engine, max_queue=8).start()


async def test_a_job_cancelled_while_it_waits_costs_nothing(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=8)
    cancelled, wanted = RemembersEvents(greedy(prompt_of("ka"), 3), ()), Job(greedy(prompt_of("ka"), 3), ())
    worker.submit(cancelled)
    worker.submit(wanted)
    cancelled.cancel()
    worker.start()
    assert isinstance((await _all_events(wanted))[-1], Report)
    assert cancelled.posted == []
    await asyncio.to_thread(worker.stop)


async def _all_events(job: Job) -> list[str | Report]:
    async with asyncio.timeout(30):
        return [event async for event in job.events()]
