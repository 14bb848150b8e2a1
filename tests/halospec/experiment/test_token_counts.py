"""Servers that count no tokens in their streams."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from halospec.endpoints.preflight import PreflightError
from halospec.endpoints.types import ChatRequest, Completion, CountSource, EndpointError
from halospec.experiment.token_counts import require_countable_tokens

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class StandInServer:
    """Streams so many events, counted or not, and says unstreamed how many tokens they were."""

    events: int
    tokens: int
    counts_streams: bool = False
    text_of_stream: str = "a reply"
    fails: bool = False
    asked: int = 0

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        self.asked += 1
        if self.fails:
            raise EndpointError("Oops.", retryable=True)
        if not request.stream:
            return Completion("a reply", "length", self.tokens)
        if self.counts_streams:
            return Completion(self.text_of_stream, "length", self.tokens)
        return Completion(self.text_of_stream, "length", self.events, tokens_from=CountSource.EVENTS)


async def test_events_that_are_not_tokens_cannot_be_counted_for_them():
    with pytest.raises(PreflightError, match=r"6 events for a reply of 16 tokens"):
        await require_countable_tokens(StandInServer(events=6, tokens=16), "Hi", 2)


@pytest.mark.parametrize(
    ("server", "asked"),
    [
        (StandInServer(events=16, tokens=16), 2),
        (StandInServer(events=15, tokens=16), 2),
        (StandInServer(events=6, tokens=16, counts_streams=True), 1),
        (StandInServer(events=6, tokens=16, text_of_stream="another reply"), 2),
        (StandInServer(events=6, tokens=16, fails=True), 1),
    ],
    ids=["one a token", "all but the last one", "counted by the server", "not the same reply", "a failing server"],
)
async def test_what_can_be_counted_or_compared_with_nothing_is_let_pass(server, asked):
    await require_countable_tokens(server, "Hi", 2)
    assert server.asked == asked
