"""Sends a probe's requests one by one, notes when, and meters what the server counts for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import anyio

from halospec.clock import Clock
from halospec.endpoints.api import ServerApi
from halospec.endpoints.preflight import ServerFacts
from halospec.endpoints.retry import RetryPolicy, Sleep, retrying
from halospec.endpoints.spec_counters import SpecCounters, read_spec_counters
from halospec.endpoints.types import ChatRequest, Completion, CountSource, EndpointError, RequestChange
from halospec.knobs.types import Knob
from halospec.probe.canaries import Canary, Cell, DraftCounts, canary_request
from halospec.probe.errors import ProbeError
from halospec.probe.observer import ProbeObserver
from halospec.probe.settings import ProbeSettings

_SETTLING_TOKENS = 4
_NOT_ABOUT_THE_REQUEST = (401, 403, 408, 429)
_UNCHANGED = RequestChange()


class CanaryEndpoint(Protocol):
    """What a probe needs of an endpoint."""

    async def complete_with(self, request: ChatRequest, change: RequestChange) -> Completion:
        """Send one request and return the whole reply; raises EndpointError if none came."""
        ...


@dataclass(frozen=True)
class Asked:
    """One request and what came of it.

    Attributes
    ----------
    completion
        None if none came; ``error`` then says why.
    refused
        Whether the server answered that it will not have this request: another try would bring the same.
    """

    sent_ns: int
    ended_ns: int
    completion: Completion | None = None
    error: str = ""
    refused: bool = False


class Sender:
    """Asks one server, and tells an observer.

    Parameters
    ----------
    plain
        What makes a request plain: nothing, or an alias where the model itself may not be loaded.

    Attributes
    ----------
    sent
        Requests so far.
    """

    def __init__(
        self,
        endpoint: CanaryEndpoint,
        server: ServerFacts,
        api: ServerApi,
        clock: Clock,
        settings: ProbeSettings,
        observer: ProbeObserver,
        *,
        plain: RequestChange = _UNCHANGED,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.sent = 0
        self._plain = plain
        self._endpoint = endpoint
        self._server = server
        self._api = api
        self._clock = clock
        self._settings = settings
        self._observer = observer
        self._sleep = sleep
        self._planned = 0
        self._failures_in_a_row = 0
        self._metered = False

    def expect(self, requests: int) -> None:
        """Say that so many more requests are planned; fewer, if it is negative."""
        self._planned += requests
        self._observer.canaries_planned(self._planned)

    async def warm_up(self) -> None:
        """Have the server answer once: the first request of all is no measure of anything.

        Raises
        ------
        ProbeError
            If it does not.
        """
        reply = await self._plain_reply()
        if reply.drafted is None:
            self._metered = await read_spec_counters(self._api, self._plain.model or self._server.model) is not None

    async def settle(self, knob: Knob, draft_length: int) -> None:
        """Have a server answer that was loaded or started anew; what it answers is nobody's affair."""
        self.expect(1)
        request = canary_request(1, _SETTLING_TOKENS, self._server.dialect)
        await self.ask(f"{knob.name} settling", request, knob.request_change(draft_length))

    async def canary(self, knob: Knob, draft_length: int, block: int) -> Canary:
        """Send one canary.

        Raises
        ------
        ProbeError
            If the server no longer answers.
        """
        request = canary_request(block, self._settings.max_tokens, self._server.dialect)
        change = knob.request_change(draft_length)
        before = await self._read_meter(change)
        asked = await self.ask(f"{knob.name} k = {draft_length}", request, change)
        if asked.completion is None and not asked.refused:
            await self._require_life(asked.error)
        else:
            self._failures_in_a_row = 0
        return Canary(
            Cell(knob.name, draft_length),
            block,
            asked.sent_ns,
            asked.ended_ns,
            completion=asked.completion,
            error=asked.error,
            refused=asked.refused,
            metered=None if before is None else await self._since(before, change),
        )

    async def ask(self, purpose: str, request: ChatRequest, change: RequestChange | None = None) -> Asked:
        """Send any request, a plain one without a change; never raises EndpointError."""
        self.sent += 1
        self._observer.canary_sent(purpose)
        sent_ns = self._clock()
        try:
            completion = await self._endpoint.complete_with(request, change or self._plain)
        except EndpointError as error:
            asked = Asked(sent_ns, self._clock(), error=error.reason, refused=_is_refusal(error))
        else:
            asked = Asked(sent_ns, completion.ended_ns or self._clock(), completion)
        self._observer.canary_ended(asked.error)
        return asked

    async def _plain_reply(self) -> Completion:
        self.expect(1)
        request = canary_request(1, self._settings.max_tokens, self._server.dialect)

        async def one_try() -> Completion:
            return await self._endpoint.complete_with(request, self._plain)

        self.sent += 1
        self._observer.canary_sent("any reply")
        try:
            reply: Completion = await retrying(RetryPolicy(), self._sleep)(one_try)
        except EndpointError as error:
            raise ProbeError(f"The server does not complete a plain request: {error.reason}") from error
        self._observer.canary_ended("")
        return reply

    async def _require_life(self, reason: str) -> None:
        """After several failures in a row, find out whether it is the server that fails or what it is asked."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row < self._settings.max_failures:
            return
        self._failures_in_a_row = 0
        try:
            await self._plain_reply()
        except ProbeError as error:
            raise ProbeError(f"The server no longer completes requests, so the probe was given up: {reason}") from error

    async def _read_meter(self, change: RequestChange) -> SpecCounters | None:
        return await read_spec_counters(self._api, change.model or self._server.model) if self._metered else None

    async def _since(self, before: SpecCounters, change: RequestChange) -> DraftCounts | None:
        after = await self._read_meter(change)
        grown = after.delta(before) if after else None
        return DraftCounts(grown.drafted, grown.accepted, grown.rounds, CountSource.METRICS) if grown else None


def _is_refusal(error: EndpointError) -> bool:
    return error.status is not None and 400 <= error.status < 500 and error.status not in _NOT_ABOUT_THE_REQUEST
