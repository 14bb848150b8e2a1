"""Every request has an id, and leaves one line in the log when it ends."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from halospec_server.http.errors import internal_error
from halospec_server.jobs.completion import Account

_log = logging.getLogger("halospec_server.requests")

HEADER = "X-Request-Id"
_SANE = re.compile(r"[!-~]{1,128}")
_POLLED = ("/health", "/metrics")
_NOTES = "halospec.notes"
_ARRIVED = "halospec.arrived_ns"


@dataclass
class RequestNotes:
    """What the log will say of a request, gathered on its way. Nothing of its text."""

    id: str
    method: str
    path: str
    status: int | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    drafter: str | None = None
    draft_length: int | str | None = None
    drafted: int | None = None
    accepted: int | None = None
    ttft_ms: float | None = None
    total_ms: float | None = None
    error: str | None = None
    client_gone: bool = False

    def take(self, accounts: Sequence[Account], arrived_ns: int) -> None:
        """Note what the texts of a request came to."""
        generation = accounts[0].generation
        rounds = [done for account in accounts for done in account.rounds]
        first_ns = min((a.first_token_ns for a in accounts if a.first_token_ns is not None), default=None)
        self.prompt_tokens = len(generation.prompt)
        self.cached_tokens = min(account.cached for account in accounts)
        self.completion_tokens = sum(account.completion_tokens for account in accounts)
        self.drafter = accounts[0].drafter
        self.draft_length = "auto" if generation.draft_length is None else generation.draft_length
        self.drafted = sum(done.k for done in rounds)
        self.accepted = sum(done.accepted for done in rounds)
        self.ttft_ms = None if first_ns is None else _ms(first_ns - arrived_ns)


def notes_of(scope: Scope) -> RequestNotes:
    """Return the notes of the request that a scope belongs to."""
    return cast(RequestNotes, scope[_NOTES])


def arrival_ns(scope: Scope) -> int:
    """Return when a request arrived, on the clock of ``time.perf_counter_ns``."""
    return cast(int, scope[_ARRIVED])


class RequestLog:
    """Gives each request its id, answers faults, and writes a line at each request's end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watch what becomes of it, and write it down."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived_ns = scope[_ARRIVED] = time.perf_counter_ns()
        notes = scope[_NOTES] = RequestNotes(_request_id(scope), scope["method"], scope["path"])
        answered = False

        async def noting_receive() -> Message:
            message = await receive()
            notes.client_gone |= message["type"] == "http.disconnect" and not answered
            return message

        async def noting_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                notes.status = message["status"]
                MutableHeaders(scope=message)[HEADER] = notes.id
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, noting_receive, noting_send)
        except Exception:
            _log.exception("request %s failed", notes.id)
            if notes.status is not None:
                raise
            await internal_error().response()(scope, receive, noting_send)
        finally:
            notes.total_ms = _ms(time.perf_counter_ns() - arrived_ns)
            _write(notes)


def _write(notes: RequestNotes) -> None:
    level = logging.DEBUG if notes.path in _POLLED else logging.INFO
    if _log.isEnabledFor(level):
        said = {name: value for name, value in asdict(notes).items() if value is not None}
        _log.log(level, "request", extra=said)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _SANE.fullmatch(given) else uuid.uuid4().hex


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)
