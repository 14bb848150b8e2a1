"""Small questions and commands to a server: where they go, what comes back, and every failure as one sentence."""

from __future__ import annotations

import json

import httpx
import pytest
from pydantic import BaseModel

from halospec.endpoints.api import MAX_ANSWER_BYTES, KeyRefused, ServerApi, root_of
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.types import EndpointError
from mock_site import Site


class Answer(BaseModel):
    answer: int


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("http://h:8080/v1", "http://h:8080"),
        ("http://h:13305/api/v1", "http://h:13305"),
        ("http://h:13305/api/v0", "http://h:13305"),
        ("http://h/proxy/llm/v1", "http://h/proxy/llm"),
        ("http://h:8080", "http://h:8080"),
    ],
)
def test_a_servers_own_pages_are_beside_its_api(base_url, root):
    assert root_of(base_url) == root


async def test_a_path_without_a_slash_is_below_the_base_and_one_with_it_below_the_root():
    site = Site({"/v1/health": {"answer": 1}, "/props": {"answer": 2}})
    async with site.api() as api:
        assert await api.get_json("health") == {"answer": 1}
        assert await api.get_json("/props") == {"answer": 2}

    assert site.asked == ["/v1/health", "/props"]


async def test_the_root_may_be_given():
    site = Site({"/elsewhere/metrics": httpx.Response(200, text="# metrics")})
    async with open_client("http://h", ConnectionSettings(), httpx.MockTransport(site.handle)) as client:
        api = ServerApi(client, "http://h/v1/", root_url="http://h/elsewhere/")
        assert await api.get_text("/metrics") == "# metrics"


async def test_a_query_is_encoded():
    site = Site({"/slots": []})
    async with site.api() as api:
        await api.get_json("/slots", {"model": "a/b c&d"})

    assert dict(site.requests[0].url.params) == {"model": "a/b c&d"}


async def test_a_command_carries_its_body_as_json():
    site = Site({"/v1/load": {"status": "success"}, "/v1/models/a": {"status": "gone"}})
    async with site.api() as api:
        assert await api.post_json("load", {"model_name": "a"}) == {"status": "success"}
        assert await api.delete("models/a") == {"status": "gone"}

    assert [request.method for request in site.requests] == ["POST", "DELETE"]
    assert json.loads(site.requests[0].content) == {"model_name": "a"}


async def test_a_page_of_the_wanted_shape():
    async with Site({"/a": {"answer": 42, "more": []}, "/b": {"question": 1}, "/c": httpx.Response(200)}).api() as api:
        assert await api.find("/a", Answer) == Answer(answer=42)
        assert await api.find("/b", Answer) is None
        assert await api.find("/c", Answer) is None
        assert await api.find("/d", Answer) is None


async def test_what_cannot_be_had_may_be_no_matter():
    site = Site({"/page": httpx.Response(200, text="words"), "/v1/models": httpx.Response(500)})
    async with site.api() as api:
        assert await api.find_text("/page") == "words"
        assert await api.find_json("/page") is None
        assert await api.find_text("/none") is None
        assert await api.find_json("models") is None


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_a_failure_of_its_own(status):
    async with Site({"/a": httpx.Response(status, json={"error": "no sk-1 here"})}).api("sk-1") as api:
        with pytest.raises(KeyRefused, match=r"no \*\*\* here.*--api-key or HALOSPEC_API_KEY"):
            await api.get_json("/a")
        with pytest.raises(KeyRefused):
            await api.find("/a", Answer, key_matters=True)
        assert await api.find("/a", Answer) is None
        assert await api.find_json("/a") is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500, json={"error": {"message": "model_load_error"}}), 'HTTP 500 .*"model_load_error"'),
        (httpx.Response(404), "HTTP 404"),
        (httpx.Response(307, headers={"location": "http://x/"}), "redirects to http://x/"),
        (httpx.Response(200, text="{"), "not JSON"),
        (httpx.Response(200, content=b"[" * 10_000), "not JSON"),
        (httpx.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1)), "larger than"),
    ],
)
async def test_a_failure_is_a_sentence(answer, said):
    async with Site({"/a": answer}).api() as api:
        with pytest.raises(EndpointError, match=said):
            await api.get_json("/a")


async def test_nobody_there(unused_port):
    url = f"http://127.0.0.1:{unused_port}"
    async with open_client(url, ConnectionSettings(), None) as client:
        api = ServerApi(client, f"{url}/v1")
        with pytest.raises(EndpointError, match="connection refused"):
            await api.get_json("health")
        assert await api.find_json("health") is None


async def test_a_server_that_says_nothing(misbehaving_server):
    misbehaving_server.scripts = [["hang"]]
    async with open_client(misbehaving_server.url, ConnectionSettings(), None) as client:
        with pytest.raises(EndpointError, match=r"no answer from .*/props within 0\.1 s"):
            await ServerApi(client, misbehaving_server.url, timeout_s=0.1).get_json("/props")


async def test_a_command_may_take_longer_than_a_question(misbehaving_server, http):
    answer = http(b"{}", kind="application/json")
    misbehaving_server.scripts = [[0.2, answer]]
    async with open_client(misbehaving_server.url, ConnectionSettings(), None) as client:
        assert (
            await ServerApi(client, misbehaving_server.url, timeout_s=0.05).post_json("/load", {}, timeout_s=30) == {}
        )
