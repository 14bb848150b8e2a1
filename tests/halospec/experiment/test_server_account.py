"""What a server says of itself in a manifest."""

from __future__ import annotations

import json

import httpx
import pytest

from halospec.endpoints.api import ServerApi
from halospec.experiment.server_account import MOST_BYTES, account_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def account(kind: str, api_key: str | None = None, **pages: object):
    def answer(request: httpx.Request) -> httpx.Response:
        page = pages.get(request.url.path.rpartition("/")[2].replace("-", "_"))
        return httpx.Response(404) if page is None else httpx.Response(200, json=page)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await account_of(kind, ServerApi(client, "http://127.0.0.1:1/v1"), api_key)


async def test_the_pages_of_a_kind_are_kept_as_they_are():
    props = {"model_path": "/m.gguf", "n_ctx": 512, "flags": ["-np", "1"], "nothing": None}
    assert await account("llama_server", props=props) == {"/props": props}
    assert await account("lemonade", system_info={"os": "x"}, health={"status": "ok"}) == {
        "health": {"status": "ok"},
        "system-info": {"os": "x"},
    }


async def test_a_server_that_has_no_such_page_says_nothing():
    assert await account("llama_server") == {}
    assert await account("bundled", props={"a": 1}) == {}


async def test_keys_in_command_lines_are_masked_wherever_they_stand():
    health = {
        "all_models_loaded": [
            {
                "launch_command": ["llama-server", "--api-key", "sk-123", "--port", "1"],
                "recipe_options": {"llamacpp_args": "-np 1 --hf-token hf_456"},
            }
        ],
        "note": "started with sk-123",
    }
    kept = json.dumps(await account("lemonade", health=health))
    assert "sk-123" not in kept
    assert "hf_456" not in kept
    assert "--api-key" in kept


async def test_the_key_that_we_sent_is_masked_too():
    assert await account("llama_server", "sk-789", props={"seen": "Bearer sk-789"}) == {
        "/props": {"seen": "Bearer ***"}
    }


async def test_a_page_too_long_to_read_is_left_out():
    assert await account("llama_server", props={"text": "x" * MOST_BYTES}) == {}
