"""Sends a reply as its text comes, whole or as a stream, to a client that may leave at any time."""

from __future__ import annotations

import time

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from halospec_server.http.errors import ApiError, api_error
from halospec_server.http.metrics import Metrics
from halospec_server.http.replies import DONE, ReplyWriter, error_event
from halospec_server.http.request_log import RequestNotes, notes_of
from halospec_server.jobs.completion import Account, Written
from halospec_server.jobs.job import DeadlineExceeded, Failure, Job, ShuttingDown

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Answer(Response):
    """The response to a request whose job is queued.

    The status line waits for the first text, so that a request that fails before it gets the status that it deserves.

    Parameters
    ----------
    wants_usage
        Whether a stream ends with a usage event.
    shutdown_grace_s
        After it a server that shuts down may be back.
    """

    def __init__(
        self, job: Job, writer: ReplyWriter, metrics: Metrics, *, wants_usage: bool, shutdown_grace_s: float
    ) -> None:
        super().__init__()
        self._job = job
        self._writer = writer
        self._metrics = metrics
        self._wants_usage = wants_usage
        self._shutdown_grace_s = shutdown_grace_s
        self._accounts: dict[int, Account] = {}
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply; a client that goes away cancels the job."""
        notes = notes_of(scope)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
                try:
                    await (self._stream(send) if self._job.streamed else self._whole(scope, receive, send))
                except Failure as failure:
                    error = api_error(failure, self._shutdown_grace_s)
                    notes.error = error.body.code or error.body.type
                    self._count(failure)
                    await self._tell(error, scope, receive, send)
                tasks.cancel_scope.cancel()
        finally:
            self._job.cancel()
            if notes.client_gone:
                self._metrics.texts_aborted(len(self._job.completions) - len(self._accounts))
            self._take_notes(notes)

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        written: list[list[Written]] = [[] for _ in self._job.completions]
        async for batch in self._job.batches():
            for choice, event in batch:
                if isinstance(event, Written):
                    written[choice].append(event)
                else:
                    self._ended(choice, event)
        body = self._writer.whole(written, self._in_order())
        await Response(body, media_type="application/json")(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        async for batch in self._job.batches():
            events = [self._event(choice, event) for choice, event in batch]
            if not self._begun:
                self._begun = True
                await send({"type": "http.response.start", "status": 200, "headers": list(_STREAM_HEADERS)})
                events[:0] = [self._writer.opening(choice) for choice in range(len(self._job.completions))]
            complete = self._complete
            if complete:
                events += [self._writer.usage(self._in_order()), DONE] if self._wants_usage else [DONE]
            await _send_events(send, events, last=complete)

    def _event(self, choice: int, event: Written | Account) -> str:
        if isinstance(event, Written):
            return self._writer.content(choice, event)
        self._ended(choice, event)
        accounts = self._in_order() if self._complete and not self._wants_usage else []
        return self._writer.ending(choice, event.finish_reason, accounts)

    async def _tell(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        """Say why there is no (more) reply: as a response, or as the last event of a stream that has begun."""
        if self._begun:
            await _send_events(send, [error_event(error.body)], last=True)
        else:
            await error.response()(scope, receive, send)

    def _take_notes(self, notes: RequestNotes) -> None:
        """Note what the texts came to, those that were broken off as they are now."""
        now_ns = time.perf_counter_ns()
        accounts = [
            self._accounts.get(choice) or completion.account(now_ns)
            for choice, completion in enumerate(self._job.completions)
        ]
        notes.take(accounts, self._job.arrived_ns)
        broken_off = "abort" if notes.client_gone else "error"
        notes.finish_reason = ",".join(
            account.finish_reason if choice in self._accounts else broken_off for choice, account in enumerate(accounts)
        )

    def _ended(self, choice: int, account: Account) -> None:
        self._accounts[choice] = account
        self._metrics.text_ended(account, self._job.arrived_ns)

    def _count(self, failure: Failure) -> None:
        if isinstance(failure, DeadlineExceeded):
            self._metrics.refused("deadline_exceeded")
        elif isinstance(failure, ShuttingDown) and not self._job.admitted:
            self._metrics.refused("shutting_down")
        else:
            self._metrics.texts_failed(len(self._job.completions) - len(self._accounts))

    @property
    def _complete(self) -> bool:
        return len(self._accounts) == len(self._job.completions)

    def _in_order(self) -> list[Account]:
        return [self._accounts[choice] for choice in sorted(self._accounts)]


async def _send_events(send: Send, events: list[str], *, last: bool) -> None:
    """Send events together: each call is a write to the socket."""
    await send({"type": "http.response.body", "body": "".join(events).encode(), "more_body": not last})


async def _cancel_when_gone(receive: Receive, waiting: anyio.CancelScope) -> None:
    """End the wait, not the job alone: one that is cancelled in the queue never reports."""
    while (await receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()
