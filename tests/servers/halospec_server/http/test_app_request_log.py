"""Every request has an id and leaves a line, and nothing that was said in it stands there."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from gated_server import gated_server, in_flight, leave_without_a_reply
from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, eventually, serving

LOGGER = "halospec_server.requests"


def lines(caplog: pytest.LogCaptureFixture, n: int) -> list[dict[str, Any]]:
    """Return the lines of ``n`` requests; the last may come a moment after its reply."""

    def so_far() -> list[dict[str, Any]]:
        return [vars(record) for record in caplog.records if record.name == LOGGER]

    eventually(lambda: len(so_far()) >= n)
    assert len(so_far()) == n
    return so_far()


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("given", ["a", "9f-3:~!", "x" * 128])
def test_a_sane_id_is_taken_over(client: httpx.Client, caplog: pytest.LogCaptureFixture, given: str) -> None:
    response = client.post(COMPLETIONS, json=chat(), headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    assert [line["id"] for line in lines(caplog, 1)] == [given]


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "tab\there", "schlüssel"])
def test_any_other_is_replaced(client: httpx.Client, given: str) -> None:
    answered = client.get("/v1/models", headers=[(b"X-Request-Id", given.encode())]).headers["X-Request-Id"]
    assert answered not in ("", given)
    assert answered.isascii()


def test_ids_are_made_for_those_who_send_none(client: httpx.Client) -> None:
    assert len({client.get("/v1/models").headers["X-Request-Id"] for _ in range(5)}) == 5


def test_refusals_have_one_too(tiny_pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    settings = ServerSettings(api_key="key", max_body_bytes=100)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        key = {"Authorization": "Bearer key"}
        responses = [
            client.get("/v1/models"),
            client.get("/nowhere", headers=key),
            client.post(COMPLETIONS, json=chat("ka" * 100), headers=key),
            client.post(COMPLETIONS, json={}, headers=key),
        ]
    assert [response.status_code for response in responses] == [401, 404, 413, 400]
    noted = {line["id"]: line["status"] for line in lines(caplog, 4)}
    assert noted == {response.headers["X-Request-Id"]: response.status_code for response in responses}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_line_says_what_a_request_came_to(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, streamed: bool
) -> None:
    client.post(COMPLETIONS, json=chat("ki ki", draft_length=4, stream=streamed, drafter="model"))
    (line,) = lines(caplog, 1)
    assert (line["method"], line["path"], line["status"]) == ("POST", COMPLETIONS, 200)
    assert (line["finish_reason"], line["completion_tokens"]) == ("length", 24)
    assert line["prompt_tokens"] > line["cached_tokens"] >= 0
    assert (line["drafter"], line["draft_length"]) == ("model", 4)
    assert line["drafted"] >= line["accepted"] > 0
    assert 0 < line["ttft_ms"] < line["total_ms"]
    assert line["client_gone"] is False


def test_a_client_that_leaves_is_noted(tiny_pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    with gated_server(tiny_pair) as (server, gate), in_flight(server, {}) as (first,):
        leave_without_a_reply(server, lambda: None)
        gate.open()
        assert first.result().status_code == 200
    left, _ = lines(caplog, 2)
    assert left["client_gone"] is True
    assert (left["finish_reason"], left["completion_tokens"]) == ("abort", 0)
    assert "status" not in left, "it never got one"


def test_what_was_said_is_nowhere_in_the_log(
    tiny_pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(open_engine(tiny_pair)) as server, server.client() as client:
        secret = "mimosa"
        client.post(COMPLETIONS, json=chat(secret))
        client.post(COMPLETIONS, json=chat(secret, stream=True, stop=secret, model=secret))
        client.post(COMPLETIONS, json=chat(secret, top_p=7))
        client.post(COMPLETIONS, json={"messages": [{"role": secret, "content": secret}]})
        client.post(
            COMPLETIONS, content=f'{{"messages": "{secret}'.encode(), headers={"Content-Type": "application/json"}
        )
        monkeypatch.setattr(server.engine, "step", lambda: 1 / 0)
        assert client.post(COMPLETIONS, json=chat(secret)).status_code == 500
    assert "ZeroDivisionError" in caplog.text
    ours = [record for record in caplog.records if record.name.startswith(("halospec_server", "uvicorn"))]
    assert ours
    assert not any(secret in str(vars(record)) for record in ours)


def test_a_fault_in_the_server_itself_is_answered_and_logged_with_its_id(
    tiny_pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(open_engine(tiny_pair)) as server, server.client() as client:
        monkeypatch.setattr(server.engine.target.model, "tokenize", lambda *_, **__: 1 / 0)
        response = client.post(COMPLETIONS, json=chat())
        assert response.status_code == 500
        assert response.json()["error"]["type"] == "server_error"
        assert "ZeroDivisionError" not in response.text
    id_ = response.headers["X-Request-Id"]
    assert f"request {id_} failed" in caplog.text
    assert caplog.text.count("ZeroDivisionError") == 1
