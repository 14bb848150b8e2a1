"""A request that may take only so long ends in time, with what it has or with a 504."""

from __future__ import annotations

import time

import pytest

from gated_server import gated_server, in_flight
from halospec_server.http.app import ServerSettings
from tiny_engines import Gate, Pair, open_engine
from tiny_server import COMPLETIONS, RunningServer, chat, eventually, serving, stream

DEADLINE_MS = 300


def let_pass(server: RunningServer, gate: Gate, waiting: int) -> None:
    """Wait until all requests are there and their deadline is over, then let decoding go on."""
    eventually(lambda: server.requests == waiting)
    time.sleep(DEADLINE_MS / 1e3)
    gate.open()


@pytest.mark.parametrize("streamed", [False, True])
def test_in_the_queue_it_is_a_504(tiny_pair: Pair, streamed: bool) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {}) as (first,):
        eventually(lambda: gate.verified == [0])
        with in_flight(server, {"deadline_ms": 1, "stream": streamed}) as (late,):
            let_pass(server, gate, 2)
            response = late.result()
        assert response.status_code == 504
        error = response.json()["error"]
        assert (error["code"], error["type"]) == ("deadline_exceeded", "timeout_error")
        assert first.result().status_code == 200
        assert len(gate.served) == 1, "it was never started"


def test_while_it_is_written_it_is_a_reply_cut_short(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {"deadline_ms": DEADLINE_MS}) as (reply,):
        eventually(lambda: gate.verified == [0])
        let_pass(server, gate, 1)
        assert reply.result().status_code == 200
        body = reply.result().json()
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["choices"][0]["message"]["content"]
        assert 0 < body["usage"]["completion_tokens"] < 24
        assert body["speculation"]["deadline_exceeded"] is True


def test_a_stream_is_cut_short_in_the_same_way(tiny_pair: Pair) -> None:
    late = {"deadline_ms": DEADLINE_MS, "stream": True}
    with gated_server(tiny_pair) as (server, gate), in_flight(server, late) as (reply,):
        eventually(lambda: gate.verified == [0])
        let_pass(server, gate, 1)
        assert reply.result().text.endswith("data: [DONE]\n\n")
        assert '"finish_reason":"length"' in reply.result().text
        assert '"deadline_exceeded":true' in reply.result().text


def test_a_choice_that_never_began_is_empty_where_another_has_text(tiny_pair: Pair) -> None:
    late = {"deadline_ms": DEADLINE_MS, "n": 2}
    with gated_server(tiny_pair) as (server, gate), in_flight(server, late) as (reply,):
        eventually(lambda: gate.verified == [0])
        let_pass(server, gate, 1)
        first, second = reply.result().json()["choices"]
        assert first["message"]["content"]
        assert (second["message"]["content"], second["finish_reason"]) == ("", "length")


def test_the_server_may_set_one_for_requests_that_do_not(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, deadline_s=0.001)
    with gated_server(tiny_pair, settings) as (server, gate), in_flight(server, {"deadline_ms": 60_000}) as (patient,):
        eventually(lambda: gate.verified == [0])
        with in_flight(server, {}) as (hasty,):
            let_pass(server, gate, 2)
            assert patient.result().status_code == 200
            assert hasty.result().status_code == 504


def test_a_deadline_that_is_far_away_changes_nothing(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair)) as server, server.client() as client:
        reply = client.post(COMPLETIONS, json=chat(deadline_ms=60_000)).json()
        assert reply["speculation"]["deadline_exceeded"] is False
        assert stream(client, chat(deadline_ms=60_000)).text == reply["choices"][0]["message"]["content"]
