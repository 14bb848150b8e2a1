"""One request decodes, the others wait in order, and nobody waits for a client that has gone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from halospec_server.app import ServerSettings
from tiny_engines import Gate, Pair, open_engine
from tiny_server import COMPLETIONS, RunningServer, chat, eventually, serving

LONG = 200
"""Tokens of a request that is not to be served to its end."""


@contextmanager
def gated_server(pair: Pair, max_queue: int = 64) -> Iterator[tuple[RunningServer, Gate]]:
    """Serve an engine whose every step waits for the test."""
    gate = Gate()
    settings = ServerSettings(draft_length=2, max_queue=max_queue)
    with serving(open_engine(pair, make_verifier=gate.make_verifier), settings) as server, gate:
        yield server, gate


@contextmanager
def in_flight(server: RunningServer, *temperatures: float) -> Iterator[list[Future[httpx.Response]]]:
    """Send requests one after another, told apart by their temperatures, without waiting for the replies."""
    with server.client() as client, ThreadPoolExecutor(max_workers=len(temperatures)) as pool:
        futures = []
        for temperature in temperatures:
            before = server.requests
            futures.append(pool.submit(client.post, COMPLETIONS, json=chat(temperature=temperature)))
            eventually(lambda before=before: server.requests == before + 1)  # type: ignore[misc]
        yield futures


def test_requests_are_served_one_at_a_time_and_first_come_first_served(tiny_pair: Pair) -> None:
    temperatures = [0.5, 0.1, 0.4, 0.2, 0.3]
    with gated_server(tiny_pair) as (server, gate), in_flight(server, *temperatures) as replies:
        eventually(lambda: len(gate.served) == 1)
        gate.let_through(3)
        eventually(lambda: gate.verified == [3])
        assert len(gate.served) == 1, "the others wait until the first is done"
        gate.open()
        assert [reply.result().status_code for reply in replies] == [200] * 5
        assert [sampling.temperature for sampling in gate.served] == temperatures


def test_one_more_than_may_wait_is_sent_away_and_told_when_to_come_back(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair, max_queue=2) as (server, gate), in_flight(server, 0.1, 0.2, 0.3) as replies:
        with server.client() as client:
            for stream in (False, True):
                refused = client.post(COMPLETIONS, json=chat(stream=stream))
                assert refused.status_code == 429
                assert int(refused.headers["Retry-After"]) > 0
                error = refused.json()["error"]
                assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
                assert "2 requests already wait" in error["message"]
        gate.open()
        assert [reply.result().status_code for reply in replies] == [200] * 3


def test_with_no_queue_whoever_has_a_reply_may_ask_again_at_once(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, max_queue=0)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        assert {client.post(COMPLETIONS, json=chat(max_tokens=2)).status_code for _ in range(100)} == {200}


def test_health_and_models_answer_while_a_request_decodes(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, 0.1), server.client() as client:
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
        leave_without_a_reply(server, gate, [3])
        gate.open()
        assert client.post(COMPLETIONS, json=chat()).status_code == 200
        assert gate.verified[0] <= 4


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_while_it_waits_its_turn_is_forgotten(tiny_pair: Pair, stream: bool) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, 0.1) as (first,), server.client() as client:
        eventually(lambda: len(gate.served) == 1)
        leave_without_a_reply(server, gate, [0], stream=stream)
        gate.open()
        assert first.result().status_code == 200
        assert client.post(COMPLETIONS, json=chat(temperature=0.3)).status_code == 200
        assert [sampling.temperature for sampling in gate.served] == [0.1, 0.3]


def leave_without_a_reply(server: RunningServer, gate: Gate, verified: list[int], *, stream: bool = False) -> None:
    """Send a request, and hang up once decoding has got as far as given; return when the server has let it go."""
    others = server.requests

    def hang_up(event: str, _info: object) -> None:
        if event == "http11.receive_response_headers.started":
            eventually(lambda: server.requests == others + 1 and gate.verified == verified)
            raise ConnectionAbortedError

    with server.client() as client, pytest.raises(ConnectionAbortedError):
        client.post(
            COMPLETIONS, json=chat(temperature=0.2, max_tokens=LONG, stream=stream), extensions={"trace": hang_up}
        )
    eventually(lambda: server.requests == others)
