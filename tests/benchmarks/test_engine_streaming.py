"""What a client makes of a stream: text, times, and a refusal to measure what is not a whole reply."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_peers.records import Reply
from engine_peers.streaming import Arrived, Asked, Stream, StreamFault, ask_together, reply_of

MS = 1_000_000


def event(content: str | None = None, reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


TIMINGS = {"cache_n": 3, "prompt_n": 20, "predicted_n": 3, "draft_n": 7, "draft_n_accepted": 5}
WHOLE = (event(""), event("Grüße"), event(" 🌊 aus"), event(reason="length", timings=TIMINGS), b"data: [DONE]\n\n")


def stream_of(pieces: Sequence[bytes]) -> Stream:
    """A stream sent at 0 whose pieces arrive 10 ms apart."""
    return Stream(0, [Arrived(10 * MS * i, data) for i, data in enumerate(pieces, start=1)])


def read(pieces: Sequence[bytes]) -> Reply:
    return reply_of("p", stream_of(pieces), tokens=3)


class TestReply:
    def test_has_the_text_and_the_servers_counts(self) -> None:
        reply = read(WHOLE)
        assert (reply.text, reply.tokens) == ("Grüße 🌊 aus", 3)
        assert (reply.prompt_tokens, reply.drafted, reply.accepted) == (23, 7, 5)

    def test_runs_from_the_first_event_with_text_to_the_one_that_says_why_it_ended(self) -> None:
        reply = read(WHOLE)
        assert (reply.first_token_ms, reply.ended_ms) == (20.0, 40.0)

    def test_of_a_server_that_tells_no_counts_has_none(self) -> None:
        reply = read((event("a"), event(reason="length")))
        assert (reply.prompt_tokens, reply.drafted, reply.accepted) == (None, None, None)

    @given(st.lists(st.integers(0, len(b"".join(WHOLE)))))
    def test_reads_the_same_however_the_bytes_are_cut(self, cuts: list[int]) -> None:
        whole = b"".join(WHOLE)
        places = [0, *sorted(cuts), len(whole)]
        pieces = [whole[start:end] for start, end in pairwise(places)]
        assert read(pieces).text == "Grüße 🌊 aus"

    def test_passes_over_comments_and_other_fields(self) -> None:
        assert read((b": ping\r\n\r\n", b"event: x\r\n", event("a"), event(reason="length"))).text == "a"


class TestFault:
    def test_a_reply_that_ended_by_itself_is_no_measurement(self) -> None:
        with pytest.raises(StreamFault, match="ended with 'stop' before its 3 tokens"):
            read((event("a"), event(reason="stop")))

    def test_nor_is_one_that_broke_off(self) -> None:
        with pytest.raises(StreamFault, match="ended with 'nothing'"):
            read((event("a"), event("b")))

    def test_nor_is_one_that_carries_an_error(self) -> None:
        with pytest.raises(StreamFault, match="out of memory"):
            read((event("a"), b'data: {"error": {"message": "out of memory"}}\n\n'))


async def sent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class TestTogether:
    async def test_every_request_gets_its_own_reply(self) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            said = json.loads(request.content)["say"]
            return httpx.Response(200, content=sent(event(said), event(reason="length")))

        asked = [Asked(f"p{i}", {"say": f"text {i}"}) for i in range(3)]
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            streams = await ask_together(client, "http://server/", asked, tokens=2)
        assert [(r.prompt_id, r.text) for r in streams.replies] == [(f"p{i}", f"text {i}") for i in range(3)]
        assert streams.wall_ms >= max(reply.ended_ms for reply in streams.replies) > 0

    async def test_a_refusal_is_one_sentence_with_the_servers_words(self) -> None:
        def refuse(_: httpx.Request) -> httpx.Response:
            return httpx.Response(503, content=sent(b"still loading"))

        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            with pytest.raises(StreamFault, match=r"^http://server/: status 503: still loading$"):
                await ask_together(client, "http://server/", [Asked("p", {})], tokens=2)
