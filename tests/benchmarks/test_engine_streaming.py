"""What a client makes of a stream: text, times, and a refusal to measure what is not a whole reply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_peers.exchange import Arrived, Response
from engine_peers.records import Reply
from engine_peers.streaming import Asked, StreamFault, ask_together, reply_of
from scripted_server import CHUNKED, chunk, scripted_server

MS = 1_000_000


def event(content: str | None = None, reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


TIMINGS = {"cache_n": 3, "prompt_n": 20, "predicted_n": 3, "draft_n": 7, "draft_n_accepted": 5}
WHOLE = (event(""), event("Grüße"), event(" 🌊 aus"), event(reason="length", timings=TIMINGS), b"data: [DONE]\n\n")


def read(pieces: Sequence[bytes], status: int = 200) -> Reply:
    """Read a response that was asked for at 0 and whose pieces came 10 ms apart."""
    body = [Arrived(10 * MS * i, data) for i, data in enumerate(pieces, start=1)]
    return reply_of("p", Response(0, status, body), tokens=3)


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

    def test_a_refusal_is_given_in_the_servers_words(self) -> None:
        with pytest.raises(StreamFault, match=r"^the request for p was answered with status 503: still loading$"):
            read((b"still ", b"loading"), status=503)

    def test_nor_is_one_that_carries_an_error(self) -> None:
        with pytest.raises(StreamFault, match="out of memory"):
            read((event("a"), b'data: {"error": {"message": "out of memory"}}\n\n'))

    def test_nor_is_one_of_something_else_than_events(self) -> None:
        with pytest.raises(StreamFault, match="an event that is none"):
            read((b"data: <html>\n\n",))


class TestTogether:
    async def test_every_request_gets_its_own_reply(self) -> None:
        def answer(request: bytes) -> Sequence[bytes]:
            said = json.loads(request.partition(b"\r\n\r\n")[2])["say"]
            return CHUNKED, chunk(event(said)), chunk(event(reason="length")), chunk(b"")

        asked = [Asked(f"p{i}", {"say": f"text {i}"}) for i in range(3)]
        async with scripted_server(answer) as port:
            written = await ask_together(port, asked, tokens=2)
        assert [(r.prompt_id, r.text) for r in written.replies] == [(f"p{i}", f"text {i}") for i in range(3)]
        assert written.wall_ms > 0
        assert all(0 < r.first_token_ms <= r.ended_ms for r in written.replies)

    async def test_a_server_that_has_gone_is_one_sentence(self) -> None:
        async with scripted_server(lambda _: ()) as port:
            pass
        with pytest.raises(StreamFault, match=rf"^the connection to port {port} failed: "):
            await ask_together(port, [Asked("p", {})], tokens=2)
