"""What is sent to an OpenAI-compatible server, and what is read from its replies."""

from __future__ import annotations

import itertools
import json
import logging

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.endpoints.openai import OpenAIEndpoint
from halospec.endpoints.types import ChatRequest, Message
from halospec.records.schema import Round


async def sent(request: ChatRequest, draft_length: int | None, answer: bytes, **settings) -> httpx.Request:
    seen: list[httpx.Request] = []

    def handler(received: httpx.Request) -> httpx.Response:
        seen.append(received)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=answer)

    transport = httpx.MockTransport(handler)
    async with OpenAIEndpoint("http://127.0.0.1:1/v1/", "smol", lambda: 1, transport=transport, **settings) as endpoint:
        await endpoint.complete(request, draft_length)
    return seen[0]


async def test_a_request_carries_what_was_asked_and_nothing_that_was_not(say_hello, hello):
    received = await sent(say_hello, None, hello)

    assert str(received.url) == "http://127.0.0.1:1/v1/chat/completions"
    assert "authorization" not in received.headers
    assert json.loads(received.content) == {
        "model": "smol",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 3,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": False,
    }


async def test_a_request_carries_draft_length_seed_stop_ignore_eos_and_key_when_set(hello):
    request = ChatRequest((Message("user", "Hi"),), 8, temperature=0.7, seed=0, stop=("</think>",), ignore_eos=True)

    received = await sent(request, 0, hello, api_key="sk-1")

    body = json.loads(received.content)
    assert (body["draft_length"], body["seed"], body["stop"], body["ignore_eos"]) == (0, 0, ["</think>"], True)
    assert body["temperature"] == 0.7
    assert received.headers["authorization"] == "Bearer sk-1"


async def test_a_compressed_reply_is_not_asked_for(say_hello, hello):
    assert (await sent(say_hello, None, hello)).headers["accept-encoding"] == "identity"


async def test_events_are_timed_and_a_role_is_no_first_token(ask, hello):
    completion = await ask(hello)

    # The clock is read once an event, the first (the role) at 1000.
    assert completion.event_ns == (1010, 1020, 1030)
    assert completion.first_token_ns == 1010
    assert completion.text == "Hello! I"
    assert completion.finish_reason == "length"
    assert (completion.prompt_tokens, completion.completion_tokens) == (33, 3)


async def test_of_a_server_that_says_no_more_the_rest_is_unknown(ask, hello):
    completion = await ask(hello)

    assert completion.drafted is None
    assert completion.accepted is None
    assert completion.rounds is None
    assert completion.cached_tokens is None
    assert completion.prompt_ms is None


async def test_the_bundled_servers_round_log_and_timings_are_read(ask, sse, delta):
    last = {
        "choices": [],
        "usage": {
            "prompt_tokens": 41,
            "completion_tokens": 6,
            "total_tokens": 47,
            "prompt_tokens_details": {"cached_tokens": 5},
        },
        "timings": {"cache_n": 4, "prompt_n": 36, "prompt_ms": 180.2, "predicted_n": 6, "predicted_ms": 54.9}
        | {"draft_n": 6, "draft_n_accepted": 3},
        "speculation": {
            "draft_length": 4,
            "drafter": "model",
            "draft_prompt_ms": 60.3,
            "rounds": [
                {"k": 4, "accepted": 3, "draft_us": 21034, "verify_us": 38211, "sample_us": 140},
                {"k": 2, "accepted": 0, "draft_us": 9000, "verify_us": 30000, "sample_us": 90},
            ],
        },
    }
    stream = sse(
        delta("", role="assistant"), delta("One"), delta(" two three four"), delta(finish="stop"), last, "[DONE]"
    )

    completion = await ask(stream, draft_length=4)

    assert (completion.drafted, completion.accepted, completion.rounds) == (6, 3, 2)
    assert completion.round_log[0] == Round(k=4, accepted=3, draft_us=21034, verify_us=38211, sample_us=140)
    assert completion.cached_tokens == 5
    assert (completion.prompt_ms, completion.predicted_ms) == (180.2, 54.9)


async def test_without_draft_counts_the_rounds_are_summed(ask, sse, delta, usage):
    rounds = [{"k": 3, "accepted": 1}, {"k": 1, "accepted": 1}]
    stream = sse(delta("x", finish="stop"), usage | {"speculation": {"rounds": rounds}}, "[DONE]")

    completion = await ask(stream)

    assert (completion.drafted, completion.accepted, completion.rounds) == (4, 2, 2)


async def test_plain_decoding_reports_zero_drafted_not_unknown(ask, sse, delta, usage):
    zero = {"timings": {"predicted_n": 3, "draft_n": 0, "draft_n_accepted": 0}, "speculation": {"rounds": []}}

    completion = await ask(sse(delta("x", finish="stop"), usage | zero, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.rounds) == (0, 0, 0)


async def test_a_lemonade_stream_without_a_usage_chunk_counts_by_its_timings(ask, sse, delta):
    timings = {"cache_n": 32, "prompt_n": 1, "prompt_ms": 11.177, "predicted_n": 3, "predicted_ms": 21.736}
    stream = b": ping\n\n" + sse(
        {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]},
        delta("Hello"),
        delta("!"),
        delta(" I"),
        delta(finish="length") | {"timings": timings},
        "[DONE]",
    )

    completion = await ask(stream)

    assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (33, 3, 32)
    assert len(completion.event_ns) == 3


async def test_llama_servers_missing_draft_counts_are_unknown(ask, sse, delta, usage):
    # It leaves them out when nothing was drafted, but so does every server that never reports them.
    stream = sse(delta("x", finish="length"), usage | {"timings": {"predicted_n": 3, "predicted_ms": 20.0}}, "[DONE]")

    completion = await ask(stream)

    assert completion.drafted is None
    assert completion.accepted is None


async def test_of_running_totals_the_last_counts(ask, sse, delta):
    def part(n: int) -> dict:
        return delta(f" {n}") | {"timings": {"predicted_n": n, "draft_n": 8 * n, "draft_n_accepted": n}}

    completion = await ask(sse(part(1), part(2), part(3), delta(finish="length"), "[DONE]"))

    assert (completion.completion_tokens, completion.drafted, completion.accepted) == (3, 24, 3)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_text_and_its_first_event_the_first_token(ask, sse, delta, usage, name):
    stream = sse(delta(**{name: "Hmm. "}), delta("Yes."), delta(finish="stop"), usage, "[DONE]")

    completion = await ask(stream)

    assert completion.text == "Hmm. Yes."
    assert completion.event_ns == (1000, 1010)


async def test_reasoning_sent_under_both_names_is_read_once(ask, sse, delta, usage):
    stream = sse(delta(reasoning="Hm", reasoning_content="Hm"), delta(finish="stop"), usage, "[DONE]")

    assert (await ask(stream)).text == "Hm"


async def test_a_whole_json_reply_is_read_without_events(ask):
    reply = {
        "choices": [
            {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "I'm glad you're"}}
        ],
        "usage": {"completion_tokens": 8, "prompt_tokens": 32, "prompt_tokens_details": {"cached_tokens": 0}},
        "timings": {"cache_n": 0, "prompt_n": 32, "predicted_n": 8, "draft_n": 5, "draft_n_accepted": 5},
    }

    completion = await ask(httpx.Response(200, json=reply))

    assert completion.text == "I'm glad you're"
    assert completion.event_ns == ()
    assert completion.first_token_ns is None
    assert (completion.drafted, completion.accepted, completion.cached_tokens) == (5, 5, 0)


async def test_a_stream_without_done_is_whole_once_it_gave_a_finish_reason(ask, sse, delta, usage):
    assert (await ask(sse(delta("x"), delta(finish="stop"), usage))).text == "x"


async def test_what_follows_done_is_not_read(ask, hello, sse, delta):
    assert (await ask(hello + sse(delta("more"), "not json"))).text == "Hello! I"


@pytest.mark.parametrize(
    ("odd", "name"),
    [
        ({"timings": "none"}, "timings"),
        ({"timings": {"predicted_n": 3, "prompt_ms": -1}}, "prompt_ms"),
        ({"timings": {"prompt_ms": "soon"}}, "prompt_ms"),
        ({"timings": {"draft_n": True}}, "draft_n"),
        ({"speculation": []}, "speculation"),
        ({"speculation": {"rounds": [{"k": 1, "accepted": 2}]}}, "rounds"),
        ({"speculation": {"rounds": [{"k": 1, "accepted": 1, "draft_us": 1e999}]}}, "rounds"),
        ({"timings": {"draft_n": 2, "draft_n_accepted": 3}}, "draft_n_accepted"),
    ],
)
async def test_a_malformed_detail_costs_itself_and_a_warning_not_the_reply(ask, sse, delta, usage, caplog, odd, name):
    completion = await ask(sse(delta("x", finish="stop"), usage | odd, "[DONE]"))

    assert completion.completion_tokens == 3
    assert completion.prompt_ms is None
    assert completion.drafted is None
    assert completion.round_log == ()
    assert [name in message for message in caplog.messages] == [True]


async def test_what_is_valid_beside_a_malformed_detail_is_kept(ask, sse, delta, usage):
    odd = {"timings": {"prompt_ms": None, "predicted_ms": {}, "draft_n": 7, "draft_n_accepted": 2.0, "cache_n": 1}}

    completion = await ask(sse(delta("x", finish="stop"), usage | odd, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.cached_tokens) == (7, 2, 1)
    assert completion.predicted_ms is None


async def test_the_same_oddity_is_warned_of_once(say_hello, sse, delta, usage, caplog):
    answer = sse(delta("x", finish="stop"), usage | {"timings": 1}, "[DONE]")
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=answer)
    )
    async with OpenAIEndpoint("http://127.0.0.1:1/v1", "smol", lambda: 1, transport=transport) as endpoint:
        for _ in range(3):
            await endpoint.complete(say_hello, None)

    assert len(caplog.messages) == 1


async def test_the_debug_log_has_one_line_a_response_and_never_the_key(ask, sse, delta, usage, caplog):
    caplog.set_level(logging.DEBUG, "halospec.debug")
    stream = sse(delta("my key is sk-secret\n\u2028"), delta(finish="stop"), usage, "[DONE]")

    await ask(stream, api_key="sk-secret", debug_json=True)

    (line,) = [r.getMessage() for r in caplog.records if r.name == "halospec.debug"]
    assert len(line.splitlines()) == 1
    assert "sk-secret" not in line
    logged = json.loads(line)
    assert logged["status"] == 200
    assert logged["body"] == stream.decode().replace("sk-secret", "***")


async def test_a_failed_response_is_in_the_debug_log_too(ask, caplog):
    caplog.set_level(logging.DEBUG, "halospec.debug")

    with pytest.raises(Exception, match="HTTP 500"):
        await ask(httpx.Response(500, text="kaputt"), debug_json=True)

    assert [json.loads(m) for m in caplog.messages] == [{"status": 500, "body": "kaputt"}]


async def test_without_debug_json_nothing_is_logged(ask, hello, caplog):
    caplog.set_level(logging.DEBUG, "halospec")

    await ask(hello)

    assert caplog.messages == []


def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="API key holds characters") as caught:
        OpenAIEndpoint("http://127.0.0.1:1/v1", "smol", lambda: 1, api_key="schlüssel\n")

    assert "schl" not in str(caught.value)


@given(
    contents=st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=6).filter(any),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(min_value=0, max_value=3000), max_size=40),
)
def test_a_stream_means_the_same_wherever_the_network_splits_it(
    ask, sse, delta, usage, in_pieces, contents, newline, cuts
):
    events = [delta("", role="assistant"), *map(delta, contents), delta(finish="stop"), usage, "[DONE]"]
    stream = sse(*events, newline=newline)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]

    async def both():
        split = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=in_pieces(pieces))
        return await ask(stream), await ask(split)

    whole, split = anyio.run(both)

    assert whole.text == "".join(contents)
    assert split == whole


async def test_a_stream_means_the_same_byte_by_byte(ask, sse, delta, usage, in_pieces):
    stream = sse(delta("Grüße, 世界 \U0001f30a\u2028\x85"), delta(finish="stop"), usage, "[DONE]", newline="\r\n")
    pieces = [bytes([byte]) for byte in stream]

    completion = await ask(
        httpx.Response(200, headers={"content-type": "text/event-stream; charset=latin-1"}, stream=in_pieces(pieces))
    )

    assert completion == await ask(stream)
    assert completion.text == "Grüße, 世界 \U0001f30a\u2028\x85"
