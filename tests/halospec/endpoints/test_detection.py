"""A server's own answers tell what it is, and no answer makes that fail."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.detection import SERVER_KINDS, detect, require_server_kind, server_kind_named
from halospec.endpoints.lemonade import LEMONADE
from halospec.endpoints.llama_cpp_python import LLAMA_CPP_PYTHON
from halospec.endpoints.llama_server import LLAMA_SERVER
from halospec.endpoints.openai import OPENAI
from halospec.endpoints.server_kind import ServerKind
from mock_site import BUNDLED_LISTING, Site, listing, recorded

LLAMA_PROPS = recorded("llama_server", "props")
LLAMA_SLOTS = recorded("llama_server", "slots")
LLAMA_METRICS = httpx.Response(200, text=recorded("llama_server", "metrics_md_simple_3"))
LEMONADE_HEALTH = recorded("lemonade", "health_loaded")
WEB_APP = httpx.Response(200, html="<html><title>Lemonade</title>")
DESCRIPTION = {"info": {"title": "🦙 llama.cpp Python API", "version": "0.3.36"}}


async def kind_of(pages: dict[str, Any], wanted: str = "auto") -> ServerKind:
    site = Site(pages)
    async with site.api() as api:
        return (await detect(api, site.models, wanted)).kind


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        (BUNDLED, {"/v1/models": BUNDLED_LISTING}),
        (LEMONADE, {"/v1/models": recorded("lemonade", "models"), "/v1/health": LEMONADE_HEALTH}),
        (LLAMA_SERVER, {"/v1/models": recorded("llama_server", "models"), "/props": LLAMA_PROPS}),
        (LLAMA_SERVER, {"/v1/models": recorded("llama_server", "router_models")}),
        (LLAMA_CPP_PYTHON, {"/v1/models": listing("a", owned_by="me"), "/openapi.json": DESCRIPTION}),
        (OPENAI, {"/v1/models": listing("a", owned_by="vllm"), "/version": {"version": "0.9.1"}}),
        (OPENAI, {"/v1/models": listing("a")}),
    ],
)
async def test_each_kind_is_found(kind, pages):
    assert await kind_of(pages) is kind


async def test_pages_that_the_bundled_server_shares_with_others_do_not_mislead():
    pages = {
        "/v1/models": BUNDLED_LISTING,
        "/slots": [{"id": 0, "is_processing": False}],
        "/metrics": LLAMA_METRICS,
        "/openapi.json": {"info": {"title": "HaloSpec server", "version": "1"}},
        "/v1/health": {"status": "ok"},
    }

    assert await kind_of(pages) is BUNDLED


async def test_pages_that_lemonade_passes_on_do_not_mislead():
    pages = {
        "/v1/models": recorded("lemonade", "models"),
        "/v1/health": LEMONADE_HEALTH,
        "/v1/slots": LLAMA_SLOTS,
        "/slots": LLAMA_SLOTS,
        "/props": LLAMA_PROPS,
        "/metrics": LLAMA_METRICS,
        "/api/version": {"version": "0.11.4"},
    }

    assert await kind_of(pages) is LEMONADE


async def test_a_web_app_that_answers_everything_does_not_mislead():
    pages = {"/v1/models": listing("a")} | dict.fromkeys(("/props", "/openapi.json", "/", "/v1/health"), WEB_APP)

    assert await kind_of(pages) is OPENAI


async def test_a_proxy_in_front_of_two_servers_is_what_its_list_says_of_both():
    mixed = {"data": [{"id": "a", "owned_by": "somebody"}, {"id": "b", "owned_by": "llamacpp"}]}

    assert await kind_of({"/v1/models": mixed}) is LLAMA_SERVER


async def test_a_wanted_kind_is_not_asked_for():
    site = Site({"/v1/models": BUNDLED_LISTING})
    async with site.api() as api:
        found = await detect(api, site.models, "llama-cpp-python")

    assert found.kind is LLAMA_CPP_PYTHON
    assert found.recognition.evidence == "--server llama_cpp_python"
    assert site.requests == []


async def test_a_wanted_kind_that_there_is_not():
    with pytest.raises(ValueError, match="'ollama'; there are auto, bundled, lemonade, llama_server"):
        await kind_of({"/v1/models": listing("a")}, "ollama")


def test_names():
    assert list(SERVER_KINDS) == ["bundled", "lemonade", "llama_server", "llama_cpp_python", "openai"]
    assert server_kind_named("llama-server") is LLAMA_SERVER
    require_server_kind("auto")
    require_server_kind("llama-cpp-python")
    with pytest.raises(ValueError, match="'vllm'"):
        require_server_kind("vllm")
    with pytest.raises(ValueError):
        server_kind_named("auto")


# fmt: off
KEYS = st.sampled_from([
    "all_models_loaded", "build_info", "default_generation_settings", "role", "info", "title", "version", "effective",
    "data", "status", "args", "value", "speculative_algorithm", "max_models", "recipe", "launch_command",
    "llamacpp_args", "model_name", "id", "meta", "drafter", "params", "speculative",
]) | st.text(max_size=3)
# fmt: on
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["router", "loaded", "m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
REAL = st.sampled_from(
    [BUNDLED_LISTING, LLAMA_PROPS, LLAMA_SLOTS, LEMONADE_HEALTH, DESCRIPTION, recorded("llama_server", "router_models")]
)
PAGES = ("/", "/props", "/slots", "/metrics", "/openapi.json", "/server_info", "/v1/health", "/v1/models/m/options")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(PAGES), REAL | JSON, max_size=4),
    st.sampled_from([None, "lemonade", "llamacpp", "halospec", "vllm"]),
)
def test_whatever_a_server_answers_it_is_of_some_kind(answers, owner):
    pages = {"/v1/models": listing("m", owned_by=owner)} | answers

    async def look() -> None:
        # With NaN and Infinity as they come, which are no JSON.
        site = Site({path: httpx.Response(200, text=json.dumps(page)) for path, page in pages.items()})
        facts = await site.check("http://127.0.0.1:8080/v1")
        assert facts.model == "m"
        assert facts.recognition.evidence.isprintable()
        async with site.api() as api:
            for kind in SERVER_KINDS.values():
                assert await kind.loaded_model(api, site.models) in (None, "m")
                assert (await kind.speculation(api, "m")).says.isprintable()

    anyio.run(look)
