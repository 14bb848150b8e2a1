"""Told to stop, the server finishes what it writes, refuses the rest, and says so."""

from __future__ import annotations

import json

import httpx
import pytest

from gated_server import all_started, gated_server, in_flight, let_through_until
from halospec_server.http.app import ServerSettings
from tiny_engines import Pair
from tiny_server import COMPLETIONS, chat, eventually

LONG = {"max_tokens": 200}


def shutting_down(client: httpx.Client) -> bool:
    return client.get("/health").status_code == 503


def test_what_is_written_is_finished_and_nothing_else_is_begun(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {}, {}, {"stream": True}) as replies:
        eventually(lambda: gate.verified == [0])
        with server.client() as client:
            server.tell_to_stop()
            eventually(lambda: shutting_down(client))
            assert client.get("/health").json() == {"status": "shutting_down"}
            gate.let_through(1)
            for refused in (client.post(COMPLETIONS, json=chat()), replies[1].result(), replies[2].result()):
                assert refused.status_code == 503
                assert int(refused.headers["Retry-After"]) >= 1
                assert refused.json()["error"]["code"] == "server_shutting_down"
            assert client.get("/v1/models").status_code == 200, "questions are still answered"
        assert server.alive
        gate.open()
        assert replies[0].result().json()["usage"]["completion_tokens"] == 24
        eventually(lambda: not server.alive)


def test_all_choices_of_a_request_whose_first_is_written_are_finished(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {"n": 3}) as (reply,):
        eventually(lambda: gate.verified == [0])
        server.tell_to_stop()
        gate.open()
        assert [choice["finish_reason"] for choice in reply.result().json()["choices"]] == ["length"] * 3


@pytest.mark.parametrize("impatient", [False, True], ids=["no grace", "told twice"])
def test_after_the_grace_or_a_second_word_the_rest_is_ended_before_its_next_round(
    tiny_pair: Pair, impatient: bool
) -> None:
    settings = ServerSettings(draft_length=2, shutdown_grace_s=1000.0 if impatient else 0.0)
    with (
        gated_server(tiny_pair, settings, parallel=2) as (server, gate),
        in_flight(server, LONG, {**LONG, "stream": True}) as (whole, streamed),
    ):
        let_through_until(gate, lambda: all_started(gate, 2))
        server.tell_to_stop()
        if impatient:
            server.tell_to_stop()
        let_through_until(gate, lambda: whole.done() and streamed.done())
        assert whole.result().status_code == 503
        assert whole.result().json()["error"]["code"] == "server_shutting_down"
        assert streamed.result().status_code == 200, "it had begun"
        *_, last, nothing = streamed.result().text.split("\n\n")
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_shutting_down"
        assert nothing == ""
        assert "[DONE]" not in streamed.result().text
        eventually(lambda: not server.alive)
        assert sum(gate.verified) < 100
