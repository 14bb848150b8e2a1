"""What the server does not do, it says so in OpenAI's error shape."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from halospec_server.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, RunningServer, chat, serving


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
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
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
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"261": 5}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": -0.5}, "frequency_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_would_change_the_reply_and_is_not_offered_is_refused(
    client: httpx.Client, fields: dict[str, Any], named: str
) -> None:
    error = refusal(client.post(COMPLETIONS, json=chat(**fields)), 400)
    assert error["message"].startswith(f"{named}: ")
    assert "offered" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b'"ka"',
        b"\xff\xfe",
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": "ka"}], "model": "\\ud800"}',
        b'{"messages": [{"role": "user", "content": "ka"}], "temperature": NaN}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, body: bytes) -> None:
    refusal(client.post(COMPLETIONS, content=body, headers={"Content-Type": "application/json"}), 400)


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
        declared = client.post(COMPLETIONS, content=b"x" * 2001)
        undeclared = client.post(COMPLETIONS, content=(b"x" * 500 for _ in range(5)))
        for response in (declared, undeclared):
            assert "2000 bytes" in refusal(response, 413)["message"]
        assert client.post(COMPLETIONS, json=chat(user="x" * 1500)).status_code == 200
