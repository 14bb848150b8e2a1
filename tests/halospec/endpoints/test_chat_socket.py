"""The same over a real loopback socket, where connections can be refused, cut, reset and left hanging."""

from __future__ import annotations

import logging
import socket

import anyio
import pytest

from halospec.clock import start_clock
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.types import Completion, EndpointError

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@pytest.fixture
def ask_at(say_hello):
    async def ask_once(base: str, **settings) -> Completion:
        async with ChatEndpoint(f"{base}/v1", "smol", start_clock(), **settings) as endpoint:
            # Only so that a fault in the endpoint's own limit fails a test instead of hanging it.
            with anyio.fail_after(30):
                return await endpoint.complete(say_hello, 4)

    return ask_once


@pytest.fixture
def refusal_at(ask_at):
    async def refused(base: str, **settings) -> EndpointError:
        with pytest.raises(EndpointError) as caught:
            await ask_at(base, **settings)
        return caught.value

    return refused


async def test_a_whole_stream(misbehaving_server, ask_at, http, hello):
    misbehaving_server.scripts = [[http(hello)]]

    completion = await ask_at(misbehaving_server.url)

    assert completion.text == "Hello! I"
    assert len(completion.event_ns) == 3
    assert list(completion.event_ns) == sorted(completion.event_ns)
    assert misbehaving_server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1")


async def test_event_times_follow_the_arrival_and_not_the_end_of_the_reply(
    misbehaving_server, ask_at, sse, delta, usage
):
    first, rest = sse(delta("a")), sse(delta("b"), delta(finish="stop"), usage, "[DONE]")
    misbehaving_server.scripts = [[CHUNKED, chunk(first), 0.1, chunk(rest), b"0\r\n\r\n"]]

    completion = await ask_at(misbehaving_server.url)

    # The server slept for 0.1 s between the two, so they cannot be closer, however busy the machine is.
    assert completion.event_ns[1] - completion.event_ns[0] > 50_000_000


async def test_the_connection_is_kept_for_the_next_request(misbehaving_server, say_hello, http, hello):
    misbehaving_server.scripts = [[http(hello), "keep"]]

    async with ChatEndpoint(f"{misbehaving_server.url}/v1", "smol", start_clock()) as endpoint:
        for _ in range(3):
            await endpoint.complete(say_hello, None)

    assert len(misbehaving_server.requests) == 3
    assert misbehaving_server.connections == 1


async def test_nobody_listens(refusal_at, unused_port):
    failure = await refusal_at(f"http://127.0.0.1:{unused_port}")

    assert failure.reason == (
        f"No server answers at http://127.0.0.1:{unused_port}/v1/chat/completions: connection refused."
    )
    assert failure.retryable


async def test_a_host_name_that_does_not_exist(refusal_at, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert "the host name cannot be resolved" in (await refusal_at("http://no-such-host.invalid:1")).reason


async def test_https_where_http_is_spoken(misbehaving_server, refusal_at, http):
    misbehaving_server.scripts = [[http(b"this is no TLS", status="400 Bad Request", kind="text/plain")]]

    failure = await refusal_at(misbehaving_server.url.replace("http:", "https:"))

    assert "TLS error" in failure.reason
    assert not failure.retryable


@pytest.mark.parametrize(
    ("status", "said"),
    [("401 Unauthorized", "API key"), ("404 Not Found", "check the URL"), ("429 Too Many", "429"), ("503 Busy", "503")],
)
async def test_bad_statuses(misbehaving_server, refusal_at, http, status, said):
    misbehaving_server.scripts = [[http(b'{"error": "no"}', status=status, kind="application/json")]]

    failure = await refusal_at(misbehaving_server.url)

    assert f"HTTP {status[:3]}" in failure.reason
    assert said in failure.reason


async def test_a_bad_status_counts_even_if_its_words_never_come(misbehaving_server, refusal_at, http):
    misbehaving_server.scripts = [[http(b'{"err', status="500 Oops", announced_bytes=100, kind="application/json")]]

    failure = await refusal_at(misbehaving_server.url)

    assert "HTTP 500" in failure.reason
    assert failure.retryable


async def test_a_stream_cut_in_the_middle(misbehaving_server, refusal_at, hello):
    misbehaving_server.scripts = [[CHUNKED, chunk(hello[: hello.index(b'" I"')])]]

    failure = await refusal_at(misbehaving_server.url)

    assert "cut after 2 content events" in failure.reason
    assert failure.retryable


async def test_a_stream_reset_in_the_middle(misbehaving_server, refusal_at, sse, delta):
    misbehaving_server.scripts = [[CHUNKED, chunk(sse(delta("a"))), 0.05, "reset"]]

    failure = await refusal_at(misbehaving_server.url)

    assert "cut after 1 content event:" in failure.reason
    assert failure.retryable


async def test_a_stream_lost_after_its_finish_reason_is_cut_all_the_same(
    misbehaving_server, refusal_at, sse, delta, usage
):
    misbehaving_server.scripts = [[CHUNKED, chunk(sse(delta("a", finish="stop"), usage))]]

    assert "cut after 1 content event:" in (await refusal_at(misbehaving_server.url)).reason


async def test_a_connection_lost_after_done_is_no_failure(misbehaving_server, ask_at, hello):
    misbehaving_server.scripts = [[CHUNKED, chunk(hello)]]

    assert (await ask_at(misbehaving_server.url)).text == "Hello! I"


async def test_a_server_that_never_ends_the_body_after_done_is_not_waited_for(misbehaving_server, ask_at, hello):
    misbehaving_server.scripts = [[CHUNKED, chunk(hello), "hang"]]

    assert (await ask_at(misbehaving_server.url, timeout_s=30.0)).text == "Hello! I"


async def test_a_stream_ended_by_closing_the_connection(misbehaving_server, ask_at, hello):
    misbehaving_server.scripts = [
        [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n", hello]
    ]

    assert (await ask_at(misbehaving_server.url)).text == "Hello! I"


@pytest.mark.parametrize("script", [[b""], ["reset"], [b"SSH-2.0-OpenSSH_9.2\r\n"]])
async def test_a_connection_closed_without_an_http_answer(misbehaving_server, refusal_at, script):
    misbehaving_server.scripts = [script]

    failure = await refusal_at(misbehaving_server.url)

    assert "gave no HTTP answer" in failure.reason
    assert failure.retryable


async def test_no_answer_within_the_time_limit(misbehaving_server, refusal_at):
    misbehaving_server.scripts = [["hang"]]

    failure = await refusal_at(misbehaving_server.url, timeout_s=0.2)

    assert "Timed out: no answer from" in failure.reason
    assert "within 0.2 s" in failure.reason
    assert failure.retryable


async def test_a_slow_drip_is_limited_as_a_whole_and_not_read_by_read(misbehaving_server, refusal_at, sse, delta):
    drop = chunk(sse(delta("x")))
    misbehaving_server.scripts = [[CHUNKED, *[drop, 0.02] * 1000]]

    failure = await refusal_at(misbehaving_server.url, timeout_s=0.5)

    assert "not complete after 0.5 s" in failure.reason
    assert failure.retryable


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/html", b"<html>", "text/html"),
        ("application/json", b"<html>", "not JSON"),
        ("application/json", b'{"choices": []}', "no choices"),
        ("text/event-stream", b'data: {"choices": []}\n\ndata: [DONE]\n\n', "no choices"),
        ("text/event-stream", b'data: {"choices": [{"finish_reason": "stop"}]}\n\ndata: [DONE]\n\n', "0 tokens"),
        (
            "application/json",
            b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}',
            "neither usage nor timings",
        ),
    ],
)
async def test_replies_that_are_none(misbehaving_server, refusal_at, http, kind, body, said):
    misbehaving_server.scripts = [[http(body, kind=kind)]]

    assert said in (await refusal_at(misbehaving_server.url)).reason


async def test_a_proxy_from_the_environment_is_not_used_for_loopback(
    misbehaving_server, ask_at, http, hello, monkeypatch, unused_port
):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    misbehaving_server.scripts = [[http(hello)]]

    assert (await ask_at(misbehaving_server.url)).text == "Hello! I"


async def test_the_key_is_in_the_request_and_in_no_log_or_name(misbehaving_server, say_hello, http, hello, caplog):
    caplog.set_level(logging.DEBUG)
    connection = ConnectionSettings(api_key="sk-secret")
    misbehaving_server.scripts = [[http(hello)]]

    async with ChatEndpoint(
        f"{misbehaving_server.url}/v1", "smol", start_clock(), connection=connection, debug_json=True
    ) as endpoint:
        await endpoint.complete(say_hello, None)

        assert b"Bearer sk-secret" in misbehaving_server.requests[0]
        assert "sk-secret" not in caplog.text + repr(connection) + repr(endpoint) + repr(vars(endpoint)["_client"])


async def test_a_cancelled_request_is_cancelled_and_no_failure(misbehaving_server, ask_at):
    misbehaving_server.scripts = [["hang"]]

    with anyio.move_on_after(0.1) as scope:
        await ask_at(misbehaving_server.url)

    assert scope.cancelled_caught
