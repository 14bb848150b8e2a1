"""Streamed replies, promise by promise of docs/api.md."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tiny_server import COMPLETIONS, Stream, chat, stream

ACCOUNTS = ("timings", "speculation")


def whole(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = client.post(COMPLETIONS, json=body).json()
    return reply


def carriers(reply: Stream, field: str) -> list[int]:
    """Places of the chunks that carry a field, counted from the end."""
    return [i - len(reply.chunks) for i, chunk in enumerate(reply.chunks) if chunk.get(field) is not None]


@pytest.mark.parametrize("draft_length", [0, 1, 4])
def test_a_stream_says_what_a_whole_reply_says(client: httpx.Client, draft_length: int) -> None:
    body = chat(draft_length=draft_length)
    streamed, reply = stream(client, body), whole(client, body)
    assert streamed.text == reply["choices"][0]["message"]["content"]
    last = streamed.chunks[-1]
    assert last["choices"][0]["finish_reason"] == reply["choices"][0]["finish_reason"]
    for account in ("draft_n", "draft_n_accepted", "predicted_n"):
        assert last["timings"][account] == reply["timings"][account]
    assert last["speculation"]["draft_length"] == draft_length
    assert [(r["k"], r["accepted"]) for r in last["speculation"]["rounds"]] == [
        (r["k"], r["accepted"]) for r in reply["speculation"]["rounds"]
    ]


def test_every_event_is_a_chunk_of_the_same_completion(client: httpx.Client) -> None:
    chunks = stream(client, chat()).chunks
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert all(choice["index"] == 0 for chunk in chunks for choice in chunk["choices"])


def test_the_first_event_names_the_role_and_the_last_is_done(client: httpx.Client) -> None:
    reply = stream(client, chat())
    assert reply.chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert reply.data[-1] == "[DONE]"
    assert reply.data.count("[DONE]") == 1


@pytest.mark.parametrize("draft_length", [0, 3])
def test_there_is_one_event_of_text_a_round(client: httpx.Client, draft_length: int) -> None:
    reply = stream(client, chat(draft_length=draft_length))
    rounds = reply.chunks[-1]["speculation"]["rounds"]
    # Every syllable is text at once, and the first token comes before the first round.
    assert len(reply.contents) == 1 + len(rounds)


def test_only_the_finish_chunk_carries_the_accounts(client: httpx.Client) -> None:
    reply = stream(client, chat())
    assert [carriers(reply, account) for account in ACCOUNTS] == [[-1], [-1]]
    assert carriers(reply, "usage") == []
    (choice,) = reply.chunks[-1]["choices"]
    assert (choice["delta"], choice["finish_reason"]) == ({}, "length")
    earlier = [choice["finish_reason"] for chunk in reply.chunks[:-1] for choice in chunk["choices"]]
    assert set(earlier) == {None}


def test_with_usage_asked_for_only_the_usage_chunk_after_it_does(client: httpx.Client) -> None:
    reply = stream(client, chat(stream_options={"include_usage": True}))
    assert [carriers(reply, field) for field in (*ACCOUNTS, "usage")] == [[-1], [-1], [-1]]
    assert reply.chunks[-1]["choices"] == []
    assert reply.chunks[-1]["usage"]["completion_tokens"] == 24
    assert reply.chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert reply.data[-1] == "[DONE]"


def test_a_stop_string_is_never_seen_not_even_in_part(client: httpx.Client) -> None:
    text = stream(client, chat(max_tokens=40)).text
    stop = text[11:16]
    reply = stream(client, chat(max_tokens=40, stop=[stop]))
    assert reply.text == text[: text.index(stop)]
    assert reply.chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_refusal_comes_before_the_stream_and_not_inside_it(client: httpx.Client) -> None:
    response = client.post(COMPLETIONS, json=chat(stream=True, draft_length=17))
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
