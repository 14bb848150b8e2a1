"""Of all other servers a few say what they are, and two whether they draft."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.openai import OPENAI
from halospec.endpoints.server_kind import Recognition, SpeculationFacts
from mock_site import Site, listing


async def recognised(pages: dict) -> Recognition:
    site = Site(pages)
    async with site.api() as api:
        return await OPENAI.recognise(api, site.models)


async def said(pages: dict) -> SpeculationFacts:
    async with Site(pages).api() as api:
        return await OPENAI.speculation(api, "m")


@pytest.mark.parametrize(
    ("owner", "product", "page"),
    [("vllm", "vLLM", "/version"), ("sglang", "SGLang", "/server_info"), ("organization_owner", "LM Studio", None)],
)
async def test_a_product_is_known_by_the_owner_of_its_models(owner, product, page):
    found = await recognised({"/v1/models": listing("m", owned_by=owner), page or "/version": {"version": "0.9.1"}})

    assert (found.product, found.version) == (product, "0.9.1" if page else None)
    assert found.evidence == f"/models is owned by {owner}"


async def test_ollama_is_known_by_its_greeting():
    greeting = httpx.Response(200, text="Ollama is running")
    pages = {"/v1/models": listing("m", owned_by="library"), "/": greeting, "/api/version": {"version": "0.12.6"}}

    found = await recognised(pages)

    assert (found.product, found.version) == ("Ollama", "0.12.6")


async def test_a_version_that_is_none_leaves_the_product():
    found = await recognised({"/v1/models": listing("m", owned_by="vllm"), "/version": "latest"})

    assert (found.product, found.version) == ("vLLM", None)


async def test_any_server_will_do():
    found = await recognised({"/v1/models": listing("m", owned_by="somebody")})

    assert (found.product, found.version, found.dialect) == (None, None, None)


async def test_a_server_of_which_nothing_is_known_gets_openais_fields_alone():
    assert OPENAI.dialect == Dialect()


async def test_the_two_that_know_ignore_eos_are_asked_for_it():
    for owner in ("vllm", "sglang"):
        found = await recognised({"/v1/models": listing("m", owned_by=owner)})
        assert found.dialect is not None
        assert found.dialect.ignore_eos
        assert not found.dialect.cache_prompt


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 0.0
"""
COUNTERS = """\
# TYPE vllm:spec_decode_num_draft_tokens_total counter
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="m"} 0.0
# TYPE vllm:spec_decode_num_accepted_tokens_total counter
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} 0.0
"""


async def test_vllm_counts_drafts_only_if_it_was_started_to_make_some():
    assert await said({"/metrics": httpx.Response(200, text=METRICS)}) == SpeculationFacts(
        configured=False, says="/metrics counts no drafts"
    )
    assert await said({"/metrics": httpx.Response(200, text=METRICS + COUNTERS)}) == SpeculationFacts(
        configured=True, says="/metrics counts drafts"
    )


async def test_sglang_shows_its_arguments():
    drafting = {"version": "0.5", "speculative_algorithm": "EAGLE", "speculative_num_steps": 3}

    assert await said({"/server_info": drafting}) == SpeculationFacts(
        configured=True,
        says="/server_info: speculative_algorithm is EAGLE, speculative_num_steps 3",
        draft_length=3,
    )
    assert (await said({"/server_info": {"speculative_algorithm": None}})).configured is False


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/server_info": {"version": "1"}, "/metrics": {}},
        {"/metrics": httpx.Response(401)},
        {"/metrics": httpx.Response(200, text="# TYPE python_info gauge\npython_info 1.0\n")},
    ],
)
async def test_other_servers_say_nothing(pages):
    assert await said(pages) == SpeculationFacts()
