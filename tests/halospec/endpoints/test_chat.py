"""What is sent to a server, when its reply is said to have come, and what is logged of it."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.types import ChatRequest, EndpointError, Message, RequestChange

EVERYTHING = Dialect(
    ignore_eos=True,
    cache_prompt=True,
    timings_per_token=True,
    extra_fields={"top_k": 1, "speculative": {"type": "draft"}},
)


@pytest.fixture
def received(say_hello, hello):
    """Send requests to a mock server, one for each draft length, and return what it received."""

    async def send(request: ChatRequest = say_hello, *draft_lengths: int | None, **settings) -> list[httpx.Request]:
        seen: list[httpx.Request] = []

        def handler(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=hello)

        transport = httpx.MockTransport(handler)
        async with ChatEndpoint("http://127.0.0.1:1/v1/", "smol", lambda: 1, transport=transport, **settings) as asked:
            for draft_length in draft_lengths or (None,):
                await asked.complete(request, draft_length)
        return seen

    return send


@pytest.fixture
def bodies(received):
    async def send(*request_and_draft_lengths, **settings) -> list[dict]:
        return [json.loads(request.content) for request in await received(*request_and_draft_lengths, **settings)]

    return send


async def test_a_server_of_which_nothing_is_known_is_sent_openais_fields_alone(received):
    (request,) = await received()

    assert str(request.url) == "http://127.0.0.1:1/v1/chat/completions"
    assert "authorization" not in request.headers
    assert json.loads(request.content) == {
        "model": "smol",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 3,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_seed_stop_temperature_and_key_are_sent_when_set(received):
    asked = ChatRequest((Message("user", "Hi"),), 8, temperature=0.7, seed=0, stop=("</think>",))

    (request,) = await received(asked, connection=ConnectionSettings(api_key="sk-1"))

    body = json.loads(request.content)
    assert (body["seed"], body["stop"], body["temperature"]) == (0, ["</think>"], 0.7)
    assert request.headers["authorization"] == "Bearer sk-1"


async def test_what_a_dialect_knows_is_sent_where_it_is_asked_for(say_hello, bodies):
    (plain,) = await bodies(say_hello, dialect=EVERYTHING)
    asked = replace(say_hello, ignore_eos=True, running_counts=True, reuse_prompt=True)
    (full,) = await bodies(asked, dialect=EVERYTHING)

    assert plain["cache_prompt"] is False
    assert plain.keys().isdisjoint({"ignore_eos", "timings_per_token"})
    assert (full["cache_prompt"], full["ignore_eos"], full["timings_per_token"]) == (True, True, True)
    for body in (plain, full):
        assert (body["top_k"], body["speculative"]) == (1, {"type": "draft"})


async def test_what_a_dialect_does_not_know_is_not_sent_even_if_asked_for(say_hello, bodies):
    asked = replace(say_hello, ignore_eos=True, running_counts=True, reuse_prompt=True)

    (body,) = await bodies(asked, dialect=Dialect(stream_options=False))

    assert body.keys() == {"model", "messages", "max_tokens", "temperature", "stream"}


async def test_a_draft_length_changes_a_request_as_its_knob_says(say_hello, bodies):
    def steer(k: int) -> RequestChange:
        return RequestChange(model=f"smol-k{k}", fields={"draft_length": k, "speculative": {"n_max": k}})

    four, none, zero = await bodies(say_hello, 4, None, 0, dialect=EVERYTHING, steer=steer)

    # An object is merged into the one that is there; one request's change is gone in the next.
    assert (four["model"], four["draft_length"], four["speculative"]) == ("smol-k4", 4, {"type": "draft", "n_max": 4})
    assert (zero["model"], zero["draft_length"], zero["speculative"]) == ("smol-k0", 0, {"type": "draft", "n_max": 0})
    assert (none["model"], none["speculative"]) == ("smol", {"type": "draft"})
    assert "draft_length" not in none


async def test_without_a_knob_a_draft_length_changes_nothing(say_hello, bodies):
    four, none = await bodies(say_hello, 4, None)

    assert four == none


async def test_a_change_wins_over_what_is_there_and_may_set_nothing_at_all(bodies):
    change = RequestChange(fields={"temperature": 1, "stream_options": None, "top_k": {"a": 1}, "speculative": 3})

    (body,) = await bodies(ChatRequest((Message("user", "Hi"),), 8), 1, dialect=EVERYTHING, steer=lambda _: change)

    assert (body["temperature"], body["stream_options"]) == (1, None)
    assert (body["top_k"], body["speculative"]) == ({"a": 1}, 3)


async def test_a_compressed_reply_is_not_asked_for(received):
    (request,) = await received()

    assert request.headers["accept-encoding"] == "identity"


async def test_a_reply_may_be_asked_for_as_a_whole(say_hello, bodies):
    (body,) = await bodies(replace(say_hello, stream=False), dialect=EVERYTHING)

    assert body["stream"] is False
    assert "stream_options" not in body


async def test_a_server_that_refuses_stream_options_is_quoted_and_not_tried_around(say_hello):
    seen = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(400, json={"error": {"message": "unknown field stream_options"}})

    transport = httpx.MockTransport(refuse)
    async with ChatEndpoint("http://127.0.0.1:1/v1", "smol", lambda: 1, transport=transport) as endpoint:
        with pytest.raises(EndpointError, match=r"HTTP 400 .*unknown field stream_options"):
            await endpoint.complete(say_hello, None)

    assert len(seen) == 1


def streamed(pieces: httpx.AsyncByteStream, content_type: str = "text/event-stream") -> httpx.Response:
    return httpx.Response(200, headers={"content-type": content_type}, stream=pieces)


async def test_events_are_timed_by_the_piece_that_completes_them_and_a_role_is_no_first_token(
    ask, sse, delta, usage, in_pieces
):
    role, hello, more = sse(delta("", role="assistant")), sse(delta("Hello")), sse(delta("!"), delta(" I"))
    end = sse(delta(finish="length"), usage, "[DONE]")

    completion = await ask(streamed(in_pieces([role, hello[:9], hello[9:-1], hello[-1:] + more, end])))

    # The clock is read once a piece: the first at 1000, the next at 1010 …
    assert completion.event_ns == (1030, 1030, 1030)
    assert completion.first_token_ns == 1030
    assert completion.ended_ns == 1040
    assert completion.text == "Hello! I"
    assert completion.finish_reason == "length"
    assert (completion.prompt_tokens, completion.completion_tokens) == (33, 3)


async def test_a_stream_without_done_is_whole_once_it_gave_a_finish_reason_and_ends_with_its_body(
    ask, sse, delta, usage
):
    completion = await ask(sse(delta("x"), delta(finish="stop"), usage))

    assert completion.text == "x"
    assert (completion.event_ns, completion.ended_ns) == ((1000,), 1010)


async def test_what_follows_done_is_not_read(ask, hello, sse, delta):
    assert (await ask(hello + sse(delta("more"), "not json"))).text == "Hello! I"


async def test_comments_other_fields_and_named_events_do_not_disturb(ask, sse, delta, hello):
    stream = b": ping\n\nevent: message\nid: 1\nretry: 5\n" + hello.replace(b"\n\n", b"\n\n: ping\n\n")

    assert (await ask(stream)).text == "Hello! I"


chunks = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=6).filter(any)


@given(
    contents=chunks,
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(min_value=0, max_value=3000), max_size=40),
)
def test_a_stream_means_the_same_wherever_the_network_splits_it_and_its_times_are_those_of_its_pieces(
    ask, sse, delta, usage, in_pieces, contents, newline, cuts
):
    written = [sse(event, newline=newline) for event in [delta("", role="assistant"), *map(delta, contents)]]
    stream = b"".join(written) + sse(delta(finish="stop"), usage, "[DONE]", newline=newline)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]

    async def both():
        return await ask(stream), await ask(streamed(in_pieces(pieces)))

    whole, split = anyio.run(both)

    # Of a blank line its first byte ends the event: with CRLF that is one byte before the line's end.
    last_bytes = [end - len(newline) for end in itertools.accumulate(map(len, written))]
    number_of_piece = [sum(place <= byte for place in places) - 1 for byte in last_bytes]
    expected = [1000 + 10 * number for number, text in zip(number_of_piece, ["", *contents], strict=True) if text]
    assert whole.text == "".join(contents)
    assert list(split.event_ns) == expected
    assert replace(split, event_ns=(), ended_ns=None) == replace(whole, event_ns=(), ended_ns=None)


async def test_a_stream_means_the_same_byte_by_byte_and_is_utf8_whatever_its_charset_says(
    ask, sse, delta, usage, in_pieces
):
    stream = sse(delta("Grüße, 世界 \U0001f30a\u2028\x85"), delta(finish="stop"), usage, "[DONE]", newline="\r\n")
    pieces = [bytes([byte]) for byte in stream]

    completion = await ask(streamed(in_pieces(pieces), "text/event-stream; charset=latin-1"))

    assert completion.text == "Grüße, 世界 \U0001f30a\u2028\x85"
    assert completion.completion_tokens == 3


async def test_the_same_oddity_is_warned_of_once(say_hello, sse, delta, usage, caplog):
    answer = sse(delta("x", finish="stop"), usage | {"timings": 1}, "[DONE]")
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=answer)
    )
    async with ChatEndpoint("http://127.0.0.1:1/v1", "smol", lambda: 1, transport=transport) as endpoint:
        for _ in range(3):
            await endpoint.complete(say_hello, None)

    assert len(caplog.messages) == 1


async def test_the_debug_log_has_one_line_a_response_and_never_the_key(ask, sse, delta, usage, caplog):
    caplog.set_level(logging.DEBUG, "halospec.debug")
    stream = sse(delta("my key is sk-secret\n\u2028"), delta(finish="stop"), usage, "[DONE]")

    await ask(stream, connection=ConnectionSettings(api_key="sk-secret"), debug_json=True)

    (line,) = [r.getMessage() for r in caplog.records if r.name == "halospec.debug"]
    assert len(line.splitlines()) == 1
    assert "sk-secret" not in line
    logged = json.loads(line)
    assert logged["status"] == 200
    assert logged["body"] == stream.decode().replace("sk-secret", "***")


async def test_a_failed_response_is_in_the_debug_log_too(ask, caplog):
    caplog.set_level(logging.DEBUG, "halospec.debug")

    with pytest.raises(EndpointError, match="HTTP 500"):
        await ask(httpx.Response(500, text="kaputt"), debug_json=True)

    assert [json.loads(m) for m in caplog.messages] == [{"status": 500, "body": "kaputt"}]


async def test_without_debug_json_nothing_is_logged(ask, hello, caplog):
    caplog.set_level(logging.DEBUG, "halospec")

    await ask(hello)

    assert caplog.messages == []


def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_shown():
    connection = ConnectionSettings(api_key="schlüssel\n")

    with pytest.raises(ValueError, match="API key holds characters") as caught:
        ChatEndpoint("http://127.0.0.1:1/v1", "smol", lambda: 1, connection=connection)

    assert "schl" not in str(caught.value)
    assert "schl" not in repr(connection)


async def test_a_request_may_say_more_and_the_draft_length_is_said_beside_it(bodies, say_hello):
    def steer(k: int) -> RequestChange:
        return RequestChange(fields={"draft_length": k})

    asked = replace(say_hello, fields={"threads": 1, "draft_length": "auto"})
    left, sent = await bodies(asked, None, 4, steer=steer)
    assert (left["threads"], left["draft_length"]) == (1, "auto")
    assert (sent["threads"], sent["draft_length"]) == (1, 4)


@pytest.mark.parametrize("name", ["messages", "temperature", "stream", "cache_prompt"])
def test_what_a_request_says_for_itself_cannot_be_said_otherwise(say_hello, name):
    with pytest.raises(ValueError, match=f"'{name}' cannot be added to a request"):
        replace(say_hello, fields={name: 1})
