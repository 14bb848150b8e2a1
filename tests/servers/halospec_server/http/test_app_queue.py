"""Requests that find no slot wait in order, and nobody waits for a client that has gone."""

from __future__ import annotations

import pytest

from gated_server import gated_server, in_flight, leave_without_a_reply
from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, eventually, serving

LONG = 200
"""Tokens of a request that is not to be served to its end."""


def queue_of(max_queue: int) -> ServerSettings:
    return ServerSettings(draft_length=2, max_queue=max_queue)


def told_apart(*temperatures: float) -> list[dict[str, object]]:
    return [{"temperature": temperature} for temperature in temperatures]


def test_with_one_slot_requests_are_served_one_at_a_time_and_first_come_first_served(tiny_pair: Pair) -> None:
    temperatures = [0.5, 0.1, 0.4, 0.2, 0.3]
    with gated_server(tiny_pair) as (server, gate), in_flight(server, *told_apart(*temperatures)) as replies:
        eventually(lambda: len(gate.served) == 1)
        gate.let_through(3)
        eventually(lambda: gate.verified == [3])
        assert len(gate.served) == 1, "the others wait until the first is done"
        gate.open()
        assert [reply.result().status_code for reply in replies] == [200] * 5
        assert [sampling.temperature for sampling in gate.served] == temperatures


def test_one_more_than_may_wait_is_sent_away_and_told_when_to_come_back(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair, queue_of(2)) as (server, gate), in_flight(server, {}, {}, {}) as replies:
        with server.client() as client:
            for stream in (False, True):
                refused = client.post(COMPLETIONS, json=chat(stream=stream))
                assert refused.status_code == 429
                assert int(refused.headers["Retry-After"]) >= 1
                error = refused.json()["error"]
                assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
                assert "2 requests already wait" in error["message"]
        gate.open()
        assert [reply.result().status_code for reply in replies] == [200] * 3


def test_all_choices_of_a_request_get_in_where_the_first_does(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair), queue_of(0)) as server, server.client() as client:
        reply = client.post(COMPLETIONS, json=chat(max_tokens=2, n=4))
        assert reply.status_code == 200
        assert [choice["index"] for choice in reply.json()["choices"]] == [0, 1, 2, 3]


def test_with_no_queue_whoever_has_a_reply_may_ask_again_at_once(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair), queue_of(0)) as server, server.client() as client:
        assert {client.post(COMPLETIONS, json=chat(max_tokens=2)).status_code for _ in range(100)} == {200}


def test_health_and_models_answer_while_a_request_decodes(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {}), server.client() as client:
        assert client.get("/health").status_code == 200
        assert client.get("/v1/models").status_code == 200
        gate.open()


def test_a_client_that_leaves_its_stream_stops_the_decoding_within_a_round(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), server.client() as client:
        gate.let_through(3)
        with client.stream("POST", COMPLETIONS, json=chat(max_tokens=LONG, stream=True)) as response:
            lines = response.iter_lines()
            assert next(lines)
            eventually(lambda: gate.verified == [3])
        eventually(lambda: server.requests == 0)
        gate.open()
        assert client.post(COMPLETIONS, json=chat()).status_code == 200
        assert gate.verified[0] <= 4


def test_a_client_that_leaves_while_it_waits_for_a_whole_reply_does_too(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), server.client() as client:
        gate.let_through(3)
        leave_without_a_reply(server, lambda: eventually(lambda: gate.verified == [3]), max_tokens=LONG)
        gate.open()
        assert client.post(COMPLETIONS, json=chat()).status_code == 200
        assert gate.verified[0] <= 4


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_while_it_waits_its_turn_is_forgotten(tiny_pair: Pair, stream: bool) -> None:
    with (
        gated_server(tiny_pair) as (server, gate),
        in_flight(server, *told_apart(0.1)) as (first,),
        server.client() as client,
    ):
        eventually(lambda: len(gate.served) == 1)
        leave_without_a_reply(server, lambda: None, temperature=0.2, stream=stream)
        gate.open()
        assert first.result().status_code == 200
        assert client.post(COMPLETIONS, json=chat(temperature=0.3)).status_code == 200
        assert [sampling.temperature for sampling in gate.served] == [0.1, 0.3]
