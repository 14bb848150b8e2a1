"""The double of Lemonade says, to the very requests that were recorded, what was recorded."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.lemonade import LEMONADE
from halospec.endpoints.types import ChatRequest, CountSource, EndpointError, Message
from lemonade_double import DATA, MODEL, Recording, lemonade_double, serving_lemonade_double

COMMAND = re.compile(
    r"\$ curl -i (?:-N )?(?:-X (?P<method>\w+) )?(?:-H (?P<auth>Authorization: \S+ \S+) )?"
    r"http://127\.0\.0\.1:13305(?P<path>\S+)(?: -H Content-Type: application/json)?(?: -d (?P<body>.*))?"
)
# Those for which something has to have happened before have their tests below.
# fmt: off
AT_ANY_TIME = (
    "chat", "err_404", "err_array", "err_badjson", "err_emptybody", "err_get", "err_nomodel", "err_nomsgs",
    "err_temp_str", "err_unknown", "err_unknown_stream", "health", "internal_config", "live", "load1",
    "load_badargs", "load_badtype", "load_ngram8", "load_nomodel", "load_reserved", "load_unknown", "model_one",
    "models", "stats0", "stream", "stream_tpt", "stream_usage", "unload_none", "unload_notloaded",
)
# fmt: on
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 3}


def exchange(url: str, name: str) -> httpx.Response:
    """Send what was sent when a reply was recorded."""
    first_line = (DATA / f"{name}.txt").read_text().partition("\n")[0]
    command = COMMAND.fullmatch(first_line)
    assert command, first_line
    headers = {"Content-Type": "application/json"} if command["method"] else {}
    if command["auth"]:
        headers["Authorization"] = command["auth"].partition(": ")[2]
    return httpx.request(
        command["method"] or "GET", url + command["path"], content=command["body"], headers=headers, trust_env=False
    )


def assert_as_recorded(response: httpx.Response, name: str) -> None:
    recording = Recording.named(name)
    status_line, *header_lines = recording.head.decode().split("\n")
    assert status_line == f"HTTP/1.1 {response.status_code} {response.reason_phrase}"
    assert response.content == recording.body
    sent = [f"{key.decode()}: {value.decode()}" for key, value in response.headers.raw]
    if b"/srv/" in recording.body:
        header_lines = [line for line in header_lines if not line.startswith("Content-Length")]
        sent = [line for line in sent if not line.startswith("Content-Length")]
    assert sent == header_lines


@pytest.mark.parametrize("name", AT_ANY_TIME)
def test_a_recorded_exchange(name):
    with serving_lemonade_double() as double:
        assert_as_recorded(exchange(double.url, name), name)


@pytest.mark.parametrize("name", ["chat_spec", "slots"])
def test_an_exchange_recorded_with_an_n_gram_drafter(name):
    with serving_lemonade_double("ngram") as double:
        assert_as_recorded(exchange(double.url, name), name)
        assert_as_recorded(httpx.get(f"{double.url}/metrics"), "metrics")


@pytest.mark.parametrize("name", ["auth_none", "auth_bad", "auth_ok"])
def test_an_exchange_recorded_with_a_key(name):
    with serving_lemonade_double(api_key="sekret") as double:
        assert_as_recorded(exchange(double.url, name), name)
        assert_as_recorded(exchange(double.url, "live"), "live")


def test_health_follows_what_is_loaded():
    with serving_lemonade_double() as double:
        assert_as_recorded(exchange(double.url, "health"), "health")
        exchange(double.url, "load1")
        assert_as_recorded(exchange(double.url, "health"), "health_loaded")
        assert_as_recorded(exchange(double.url, "unload"), "unload")
        assert_as_recorded(exchange(double.url, "health"), "health")
        exchange(double.url, "chat")
        assert_as_recorded(exchange(double.url, "health"), "health_loaded")
        assert_as_recorded(exchange(double.url, "stats1"), "stats1")
        exchange(double.url, "load_badargs")
        assert_as_recorded(exchange(double.url, "health_after_bad"), "health_after_bad")


def test_loading_with_an_n_gram_drafter_changes_the_scene():
    with serving_lemonade_double() as double:
        exchange(double.url, "load_ngram8")
        assert_as_recorded(exchange(double.url, "chat_spec"), "chat_spec")
        assert_as_recorded(exchange(double.url, "stats_spec"), "stats_spec")


@pytest.mark.parametrize(("streamed", "name"), [(False, "err_ctx"), (True, "err_ctx_stream")])
def test_a_prompt_that_is_too_long(streamed, name):
    body = CHAT | {"messages": [{"role": "user", "content": "word " * 3000}], "stream": streamed}
    with serving_lemonade_double() as double:
        response = httpx.post(f"{double.url}/api/v1/chat/completions", json=body)

    assert_as_recorded(response, name)


@pytest.mark.parametrize("prefix", ["/api/v1", "/v1", "/api/v0", "/v0"])
def test_every_prefix_leads_to_the_same_pages(prefix):
    with serving_lemonade_double() as double:
        assert_as_recorded(httpx.get(f"{double.url}{prefix}/models"), "models")
        assert httpx.get(f"{double.url}/health").status_code == 404


def test_what_was_sent_is_kept():
    with serving_lemonade_double() as double:
        httpx.post(f"{double.url}/v1/chat/completions", json=CHAT | {"draft_length": 8})

        assert [(seen.method, seen.path) for seen in double.requests] == [("POST", "/v1/chat/completions")]
        assert double.requests[0].body["draft_length"] == 8


@pytest.fixture
def prompt() -> ChatRequest:
    return ChatRequest((Message("user", "Say hello."),), max_tokens=3, ignore_eos=True)


def chat(url: str, ticking_clock, **settings) -> ChatEndpoint:
    return ChatEndpoint(f"{url}/api/v1", MODEL, ticking_clock(), dialect=LEMONADE.dialect, **settings)


async def test_our_client_reads_its_streams(prompt, ticking_clock):
    async with lemonade_double() as double, chat(double.url, ticking_clock) as endpoint:
        completion = await endpoint.complete(prompt, None)

    assert completion.text == "Hello! I"
    assert completion.finish_reason == "length"
    assert (completion.completion_tokens, completion.tokens_from) == (3, CountSource.USAGE)
    assert (completion.prompt_tokens, completion.cached_tokens) == (33, 32)
    assert len(completion.event_ns) == 3
    assert (completion.drafted, completion.accepted) == (0, 0), "llama-server leaves out a count of nothing"


async def test_our_client_reads_what_an_n_gram_drafter_did(prompt, ticking_clock):
    async with lemonade_double("ngram") as double, chat(double.url, ticking_clock) as endpoint:
        completion = await endpoint.complete(prompt, None)

    assert (completion.completion_tokens, completion.drafted, completion.accepted) == (96, 50, 5)
    assert completion.event_ns == ()


async def test_our_client_understands_an_error_inside_a_stream(ticking_clock):
    long = ChatRequest((Message("user", "word " * 3000),), max_tokens=3)
    async with lemonade_double() as double, chat(double.url, ticking_clock) as endpoint:
        with pytest.raises(EndpointError, match=r"exceeds the available context size") as caught:
            await endpoint.complete(long, None)

    assert not caught.value.retryable


async def test_our_client_understands_its_other_errors(prompt, ticking_clock):
    async with lemonade_double(api_key="sekret") as double:
        async with chat(double.url, ticking_clock) as endpoint:
            with pytest.raises(EndpointError, match="HALOSPEC_API_KEY"):
                await endpoint.complete(prompt, None)
        key = ConnectionSettings(api_key="sekret")
        async with ChatEndpoint(f"{double.url}/v1", "nope", ticking_clock(), connection=key) as endpoint:
            with pytest.raises(EndpointError, match="Model 'nope' was not found"):
                await endpoint.complete(prompt, None)


def test_what_fails_beside_it_fails_as_it_is():
    with pytest.raises(AssertionError, match=r"^a test's own$"), serving_lemonade_double():
        raise AssertionError("a test's own")


def test_the_recordings_are_of_one_version():
    assert json.loads(Recording.named("health").body)["version"] == "11.7.0"
