"""Several requests are decoded together, and each gets what it would have got alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gated_server import all_started, gated_server, in_flight, leave_without_a_reply, let_through_until
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, serving, stream

PROMPTS = ("ka ti mo", "so sa", "mi mi ka to", "ta")


@pytest.fixture(scope="module")
def four(tiny_pair: Pair) -> Iterator[httpx.Client]:
    """A client of a server with four slots."""
    with serving(open_engine(tiny_pair, parallel=4)) as server, server.client() as client:
        yield client


def ask(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def texts_of(reply: dict[str, Any]) -> list[str]:
    return [choice["message"]["content"] for choice in reply["choices"]]


def test_four_requests_share_passes_and_keep_their_texts_and_draft_lengths(tiny_pair: Pair, four: httpx.Client) -> None:
    bodies: list[dict[str, Any]] = [
        {"content": prompt, "draft_length": k} for prompt, k in zip(PROMPTS, (0, 1, 4, 8), strict=True)
    ]
    with gated_server(tiny_pair, parallel=4) as (server, gate), in_flight(server, *bodies) as pending:
        gate.open()
        replies = [reply.result().json() for reply in pending]
    for body, reply in zip(bodies, replies, strict=True):
        rounds = reply["speculation"]["rounds"]
        assert max(r["sequences"] for r in rounds) > 1, "it was decoded beside others"
        assert all(r["width"] > r["k"] + 1 for r in rounds if r["sequences"] > 1)
        assert max(r["k"] for r in rounds) == body["draft_length"] == reply["speculation"]["draft_length"]
        assert texts_of(reply) == texts_of(ask(four, chat(**body)))


def test_choices_are_numbered_and_have_seeds_of_their_own(four: httpx.Client) -> None:
    settings: dict[str, Any] = {"temperature": 1.0, "seed": 40, "max_tokens": 12}
    together = ask(four, chat(n=3, **settings))
    assert [choice["index"] for choice in together["choices"]] == [0, 1, 2]
    alone = [ask(four, chat(**settings | {"seed": seed})) for seed in (40, 41, 42)]
    assert texts_of(together) == [text for reply in alone for text in texts_of(reply)]
    assert len(set(texts_of(together))) > 1


def test_choices_share_the_prompt_and_their_accounts_are_added_up(four: httpx.Client) -> None:
    body = chat("to to so ma mi", n=4, max_tokens=10, draft_length=2)
    reply = ask(four, body | {"cache_prompt": True})
    usage, timings, rounds = reply["usage"], reply["timings"], reply["speculation"]["rounds"]
    assert usage["completion_tokens"] == timings["predicted_n"] == 40
    assert usage["total_tokens"] == usage["prompt_tokens"] + 40, "the prompt counts once"
    assert timings["cache_n"] + timings["prompt_n"] == 4 * usage["prompt_tokens"], "here it counts for each choice"
    assert timings["prompt_n"] < 2 * usage["prompt_tokens"], "it was decoded once"
    assert [r["choice"] for r in rounds] == sorted(r["choice"] for r in rounds)
    for choice in range(4):
        assert 1 + sum(r["accepted"] + 1 for r in rounds if r["choice"] == choice) == 10


def test_more_choices_than_slots_come_one_after_another(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair, parallel=2)) as server, server.client() as client:
        assert len(set(texts_of(ask(client, chat(n=5))))) == 1


def test_streamed_choices_say_which_they_are(four: httpx.Client) -> None:
    body = chat(n=3, temperature=1.0, seed=7, stream_options={"include_usage": True})
    streamed = stream(four, body)
    texts = ["", "", ""]
    ends: list[int] = []
    for chunk in streamed.chunks[:-1]:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
        if choice["finish_reason"]:
            ends.append(choice["index"])
    assert texts == texts_of(ask(four, body))
    assert sorted(ends) == [0, 1, 2]
    assert streamed.chunks[-1]["usage"]["completion_tokens"] == 72


def test_the_last_choice_to_end_carries_the_accounts_of_all(four: httpx.Client) -> None:
    streamed = stream(four, chat(n=3))
    assert [i for i, chunk in enumerate(streamed.chunks) if "timings" in chunk] == [len(streamed.chunks) - 1]
    assert streamed.chunks[-1]["timings"]["predicted_n"] == 72
    assert {r["choice"] for r in streamed.chunks[-1]["speculation"]["rounds"]} == {0, 1, 2}


def test_a_client_that_leaves_gives_its_slot_to_the_next_and_the_others_go_on(tiny_pair: Pair) -> None:
    with (
        gated_server(tiny_pair, parallel=2) as (server, gate),
        in_flight(server, {"temperature": 0.1}) as (staying,),
        server.client() as client,
    ):
        leave_without_a_reply(
            server,
            lambda: let_through_until(gate, lambda: all_started(gate, 2)),
            temperature=0.2,
            max_tokens=200,
        )
        assert not staying.done()
        verified = gate.verified[1]
        gate.open()
        assert client.post(COMPLETIONS, json=chat(temperature=0.3, max_tokens=4)).status_code == 200
        assert staying.result().json()["usage"]["completion_tokens"] == 24
        assert [sampling.temperature for sampling in gate.served] == [0.1, 0.2, 0.3]
        assert gate.verified[1] <= verified + 1, "only the round that ran when it left was finished"
