"""What the server does not do, it says so in OpenAI's error shape."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, RunningServer, chat, serving

JSON = {"Content-Type": "application/json"}


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that a response is an error of OpenAI's shape with one sentence in it, and return the error."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    error: dict[str, Any] = response.json()["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["message"].endswith(".")
    assert "Traceback" not in error["message"]
    return error


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"draft_length": 17}, "draft_length"),
        ({"draft_length": -1}, "draft_length"),
        ({"draft_length": 1.5}, "draft_length"),
        ({"draft_length": "many"}, "draft_length"),
        ({"draft_length": True}, "draft_length"),
        ({"draft_length": 4, "length_policy": "heuristic"}, "length_policy"),
        ({"length_policy": "horoscope"}, "length_policy"),
        ({"drafter": "oracle"}, "drafter"),
        ({"p_min": 1.1}, "p_min"),
        ({"threads": 0}, "threads"),
        ({"threads": 3}, "threads"),
        ({"draft_threads": 3}, "draft_threads"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": -0.1}, "min_p"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"frequency_penalty": -2.1}, "frequency_penalty"),
        ({"logit_bias": {"285": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"261": 101}}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(5000)}}, "logit_bias"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": 1}, "logprobs"),
        ({"max_tokens": "24"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": "a" * 1001}, "stop"),
        ({"stop": 7}, "stop"),
        ({"stream": "perhaps"}, "stream"),
        ({"messages": []}, "messages"),
        ({"messages": "ka"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
    ],
)
def test_a_field_out_of_range_is_named(client: httpx.Client, fields: dict[str, Any], param: str) -> None:
    error = refusal(client.post(COMPLETIONS, json=chat(**fields)), 400)
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)
    assert param in error["message"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"grammar": "root ::= 'ka'"}, "grammar"),
        ({"json_schema": {"type": "object"}}, "json_schema"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_would_change_the_reply_and_is_not_offered_is_refused(
    client: httpx.Client, fields: dict[str, Any], named: str
) -> None:
    error = refusal(client.post(COMPLETIONS, json=chat(**fields)), 400)
    assert error["message"].startswith(f"{named}: ")
    assert "offered" in error["message"]


def test_alternatives_without_log_probabilities_are_refused(client: httpx.Client) -> None:
    assert "top_logprobs" in refusal(client.post(COMPLETIONS, json=chat(top_logprobs=2)), 400)["message"]


NESTED = b"[" * 100_000
KA = b'"messages": [{"role": "user", "content": "ka"}]'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b'"ka"',
        b"\xff\xfe",
        b'{"messages": [{"role": "user", "content": "\xe4"}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "\\ud800", ' + KA + b"}",
        b'{"temperature": NaN, ' + KA + b"}",
        b'{"nobody_knows": Infinity, ' + KA + b"}",
        b'{"logit_bias": {"261": -Infinity}, ' + KA + b"}",
        b'{"seed": ' + b"9" * 5000 + b", " + KA + b"}",
        NESTED,
        b'{"messages": ' + NESTED + b"]" * 100_000 + b"}",
        b'{"tools": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b", " + KA + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, body: bytes) -> None:
    refusal(client.post(COMPLETIONS, content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages": [' + b"1," * 500_000 + b"1]}",
        b'{"logit_bias": {' + b",".join(b'"x%d": 1' % i for i in range(100_000)) + b"}, " + KA + b"}",
    ],
    ids=["messages", "biases"],
)
def test_of_a_million_problems_one_is_told(client: httpx.Client, body: bytes) -> None:
    assert len(refusal(client.post(COMPLETIONS, content=body, headers=JSON), 400)["message"]) < 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonish"])
def test_a_body_that_is_not_said_to_be_json_is_refused(client: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    error = refusal(client.post(COMPLETIONS, content=json.dumps(chat()).encode(), headers=headers), 415)
    assert "application/json" in error["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.chat+json"])
def test_json_has_many_names(client: httpx.Client, kind: str) -> None:
    body = json.dumps(chat(max_tokens=1)).encode()
    assert client.post(COMPLETIONS, content=body, headers={"Content-Type": kind}).status_code == 200


def test_a_whole_number_may_be_written_with_a_point(client: httpx.Client) -> None:
    reply = client.post(COMPLETIONS, json=chat(max_tokens=5.0, draft_length=2.0, seed=7.0)).json()
    assert (reply["usage"]["completion_tokens"], reply["speculation"]["draft_length"]) == (5, 2)


def test_no_messages_at_all(client: httpx.Client) -> None:
    assert refusal(client.post(COMPLETIONS, json={"model": "tiny"}), 400)["param"] == "messages"


def test_a_role_the_template_refuses_is_refused_in_the_templates_words(client: httpx.Client) -> None:
    body = chat() | {"messages": [{"role": "narrator", "content": "ka"}]}
    error = refusal(client.post(COMPLETIONS, json=body), 400)
    assert error["param"] == "messages"
    assert "no such role as narrator" in error["message"]


def test_a_prompt_that_does_not_fit_is_refused(server: RunningServer, client: httpx.Client) -> None:
    n_ctx = server.engine.target.n_ctx
    for stream in (False, True):
        error = refusal(client.post(COMPLETIONS, json=chat("ka " * n_ctx, stream=stream)), 400)
        assert error["code"] == "context_length_exceeded"
        assert error["param"] == "messages"
        assert str(n_ctx) in error["message"]


def test_the_longest_prompt_that_fits_gets_one_token(server: RunningServer, client: httpx.Client) -> None:
    def usage(words: int) -> httpx.Response:
        return client.post(COMPLETIONS, json=chat("ka" + " ka" * (words - 1), max_tokens=None))

    n_ctx = server.engine.target.n_ctx
    overhead = usage(1).json()["usage"]["prompt_tokens"] - 1
    assert usage(n_ctx - 1 - overhead).json()["usage"]["completion_tokens"] == 1
    refusal(usage(n_ctx - overhead), 400)


def test_no_such_path(client: httpx.Client) -> None:
    assert "/v1/nothing" in refusal(client.get("/v1/nothing"), 404)["message"]


def test_no_such_method(client: httpx.Client) -> None:
    response = client.get(COMPLETIONS)
    refusal(response, 405)
    assert response.headers["Allow"] == "POST"


def test_a_body_over_the_limit(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, max_body_bytes=2000)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        declared = client.post(COMPLETIONS, content=b"x" * 2001, headers=JSON)
        undeclared = client.post(COMPLETIONS, content=(b"x" * 500 for _ in range(5)), headers=JSON)
        for response in (declared, undeclared):
            error = refusal(response, 413)
            assert "2000 bytes" in error["message"]
            assert error["code"] == "body_too_large"
        assert client.post(COMPLETIONS, json=chat(user="x" * 1500)).status_code == 200


def test_a_prompt_over_the_servers_own_limit(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, max_prompt_tokens=30)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        error = refusal(client.post(COMPLETIONS, json=chat("ka " * 30)), 400)
        assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
        assert "30" in error["message"]
        assert client.post(COMPLETIONS, json=chat("ka")).status_code == 200
