from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.jobs.completion import Account, Written
from halospec_server.jobs.job import DeadlineExceeded, GenerationFailed, Job, ShuttingDown
from halospec_server.jobs.worker import DecodeWorker, QueueFull
from halospec_server.llama import Context, LlamaError, Logits, Piece
from tiny_engines import greedy, prompt_of


def job_of(engine: Engine, *generations: Generation, stops: tuple[str, ...] = ()) -> Job:
    return Job(generations or (greedy(prompt_of("ka"), 3),), stops, engine.target.model.piece)


async def all_of(job: Job) -> list[tuple[int, Written | Account]]:
    async with asyncio.timeout(30):
        return [event async for batch in job.batches() for event in batch]


def account_of(events: list[tuple[int, Written | Account]]) -> Account:
    (account,) = [event for _, event in events if isinstance(event, Account)]
    return account


@asynccontextmanager
async def working(engine: Engine, max_queue: int = 8) -> AsyncIterator[DecodeWorker]:
    worker = DecodeWorker(engine, max_queue)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


class Stumbles:
    """Makes an engine's steps fail some time."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fail_in = 0
        self._step = engine.step
        monkeypatch.setattr(engine, "step", self)

    def __call__(self) -> object:
        self.fail_in -= 1
        if self.fail_in == 0:
            raise LlamaError("llama_decode failed")
        return self._step()


async def test_a_job_yields_text_and_an_account(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        job = job_of(model_engine, greedy(prompt_of("ka"), 20, 4))
        worker.submit(job)
        events = await all_of(job)
    *written, last = [event for _, event in events]
    assert all(isinstance(event, Written) for event in written)
    assert isinstance(last, Account)
    assert (last.finish_reason, last.completion_tokens, last.drafter) == ("length", 20, "model")
    assert len(written) == 1 + len(last.rounds), "one piece of text a step"
    assert last.prompt_ns > 0
    assert last.predicted_ns >= sum(r.draft_ns + r.verify_ns + r.sample_ns for r in last.rounds)


async def test_text_that_nobody_streams_comes_with_its_end(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        generation = greedy(prompt_of("ka"), 20, 4)
        streamed = job_of(model_engine, generation)
        whole = Job((generation,), (), model_engine.target.model.piece, streamed=False)
        texts = []
        for job in (streamed, whole):
            worker.submit(job)
            events = await all_of(job)
            texts.append("".join(event.text for _, event in events if isinstance(event, Written)))
        again = Job((generation,), (), model_engine.target.model.piece, streamed=False)
        worker.submit(again)
        assert len([batch async for batch in again.batches()]) == 1
    assert texts[0] == texts[1] != ""


async def test_whoever_is_told_of_an_end_finds_the_place_free(model_engine: Engine) -> None:
    async with working(model_engine, max_queue=0) as worker:
        for _ in range(20):
            job = job_of(model_engine)
            worker.submit(job)
            await all_of(job)


async def test_places_are_counted_beside_those_that_run(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=2)  # not started: nothing is ever done
    jobs = [job_of(model_engine) for _ in range(3)]
    for job in jobs:
        worker.submit(job)
    with pytest.raises(QueueFull):
        worker.submit(job_of(model_engine))
    jobs[1].cancel()
    worker.submit(job_of(model_engine))


async def test_a_job_of_many_texts_takes_many_places(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=2)
    worker.submit(job_of(model_engine, *[greedy(prompt_of("ka"), 3)] * 3))
    with pytest.raises(QueueFull):
        worker.submit(job_of(model_engine))


async def test_a_fault_is_told_to_those_who_run_logged_once_and_overcome(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(model_engine) as worker:
        stumbles = Stumbles(model_engine, monkeypatch)
        stumbles.fail_in = 2
        faulty, waiting = job_of(model_engine), job_of(model_engine)
        worker.submit(faulty)
        worker.submit(waiting)
        with pytest.raises(GenerationFailed):
            await all_of(faulty)
        assert account_of(await all_of(waiting)).completion_tokens == 3, "who waited is served"
        await worker.idle()
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_text_that_came_before_a_fault_is_not_lost(model_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async with working(model_engine) as worker:
        stumbles = Stumbles(model_engine, monkeypatch)
        stumbles.fail_in = 3
        job = job_of(model_engine, greedy(prompt_of("ka"), 10))
        worker.submit(job)
        batches = job.batches()
        pieces = await anext(batches)
        while len(pieces) < 2:
            pieces += await anext(batches)
        with pytest.raises(GenerationFailed):
            await anext(batches)
    assert all(isinstance(piece, Written) for _, piece in pieces)


async def test_an_engine_beyond_repair_is_said_to_everyone(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def irreparable() -> None:
        raise LlamaError("llama_memory_clear failed")

    async with working(model_engine) as worker:
        stumbles = Stumbles(model_engine, monkeypatch)
        stumbles.fail_in = 1
        monkeypatch.setattr(model_engine, "reset", irreparable)
        for _ in range(3):
            job = job_of(model_engine)
            worker.submit(job)
            with pytest.raises(GenerationFailed):
                await all_of(job)
        assert worker.broken
    monkeypatch.undo()
    model_engine.reset()


async def test_only_the_decode_thread_ever_decodes_warming_up_included(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, threads = Context.decode, set()

    def watched(context: Context, pieces: Sequence[Piece]) -> Logits:
        threads.add(threading.current_thread().name)
        return decode(context, pieces)

    monkeypatch.setattr(Context, "decode", watched)
    async with working(model_engine) as worker:
        assert threads == {"decode"}, "it is warm when start returns"
        job = job_of(model_engine, greedy(prompt_of("ka"), 3, 2))
        worker.submit(job)
        await all_of(job)
    assert threads == {"decode"}


async def test_models_that_cannot_decode_are_said_at_the_start(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_context: Context, _pieces: Sequence[Piece]) -> None:
        raise LlamaError("llama_decode failed")

    monkeypatch.setattr(Context, "decode", broken)
    with pytest.raises(LlamaError, match="llama_decode failed"):
        await DecodeWorker(model_engine, max_queue=8).start()
    monkeypatch.undo()
    model_engine.reset()


async def test_a_job_cancelled_while_it_waits_costs_nothing(model_engine: Engine) -> None:
    worker = DecodeWorker(model_engine, max_queue=8)
    cancelled, wanted = job_of(model_engine, greedy(prompt_of("so"), 3)), job_of(model_engine)
    worker.submit(cancelled)
    worker.submit(wanted)
    cancelled.cancel()
    await worker.start()
    await all_of(wanted)
    await worker.idle()
    assert cancelled.unfinished == 0
    assert not cancelled.admitted
    await worker.stop()


async def test_a_deadline_ends_a_text_before_its_next_pass(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        job = job_of(model_engine, greedy(prompt_of("ka"), 200))
        worker.submit(job)
        batches = job.batches()
        await anext(batches)
        job.deadline_ns = time.perf_counter_ns()
        account = account_of([event async for batch in batches for event in batch])
    assert account.deadline_exceeded
    assert account.finish_reason == "length"
    assert 0 < account.completion_tokens < 200


async def test_a_deadline_that_is_over_before_anything_is_written_is_a_failure(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        job = Job((greedy(prompt_of("ka"), 3),), (), model_engine.target.model.piece, deadline_ns=0)
        worker.submit(job)
        with pytest.raises(DeadlineExceeded):
            await all_of(job)
        await worker.idle()


async def test_a_worker_that_drains_finishes_what_runs_and_takes_nothing_new(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        running, waiting = (job_of(model_engine, greedy(prompt_of("ka"), 100)) for _ in range(2))
        worker.submit(running)
        worker.submit(waiting)
        batches = running.batches()
        await anext(batches)
        worker.drain()
        with pytest.raises(ShuttingDown):
            worker.submit(job_of(model_engine))
        with pytest.raises(ShuttingDown):
            await all_of(waiting)
        assert account_of([event async for batch in batches for event in batch]).completion_tokens == 100
        await worker.idle()


async def test_a_worker_that_stops_ends_what_runs(model_engine: Engine) -> None:
    async with working(model_engine) as worker:
        job = job_of(model_engine, greedy(prompt_of("ka"), 200))
        worker.submit(job)
        batches = job.batches()
        await anext(batches)
        await worker.stop()
        with pytest.raises(ShuttingDown):
            async for _ in batches:
                pass
        assert model_engine.free == 1
