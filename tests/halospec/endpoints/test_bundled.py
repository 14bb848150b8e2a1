"""The bundled server is known by what it says it has loaded."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest

from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.server_kind import SpeculationFacts
from halospec_server.__main__ import serve
from halospec_server.http.chat_request import ChatCompletionRequest
from mock_site import BUNDLED_LISTING, Site, listing, recorded


def listed_with(**meta: Any) -> dict[str, Any]:
    page = copy.deepcopy(BUNDLED_LISTING)
    page["data"][0]["meta"] |= meta
    return page


async def said(page: dict[str, Any], model: str = "smollm2-135m") -> SpeculationFacts:
    async with Site({"/v1/models": page}).api() as api:
        return await BUNDLED.speculation(api, model)


async def test_it_is_recognised_by_its_target_and_drafter_without_a_question():
    site = Site({"/v1/models": BUNDLED_LISTING})
    async with site.api() as api:
        found = await BUNDLED.recognise(api, site.models)

    assert found is not None
    assert found.evidence == "/models lists smollm2-135m with its target and its drafter"
    assert site.requests == []


@pytest.mark.parametrize(
    "page",
    [
        listing("a"),
        listing("a", owned_by="halospec"),
        listed_with(target=None),
        listed_with(drafter=None),
        recorded("llama_server", "models"),
    ],
)
async def test_what_does_not_say_both_is_another_server(page):
    site = Site({"/v1/models": page})
    async with site.api() as api:
        assert await BUNDLED.recognise(api, site.models) is None


async def test_it_says_what_drafts_and_how_far():
    facts = await said(BUNDLED_LISTING)

    assert (facts.configured, facts.draft_length) == (True, 4)
    assert facts.says == "/models: the drafter is model, and the draft length 4 unless a request names one"


async def test_a_rule_of_the_server_may_choose_the_length():
    facts = await said(listed_with(draft_length=None))

    assert (facts.configured, facts.draft_length) == (True, None)
    assert "chosen by a rule of the server" in facts.says


async def test_without_a_drafter_nothing_is_drafted():
    assert await said(listed_with(drafter="none")) == SpeculationFacts(
        configured=False, says="/models: the drafter is none"
    )


async def test_an_unknown_model_tells_nothing():
    assert await said(BUNDLED_LISTING, "nope") == SpeculationFacts()


def test_the_server_knows_every_field_of_its_dialect_and_listens_where_it_is_looked_for():
    known = set(ChatCompletionRequest.model_fields)
    asked = {name for name in ("ignore_eos", "cache_prompt", "timings_per_token") if getattr(BUNDLED.dialect, name)}

    assert asked | set(BUNDLED.request_fields) | set(BUNDLED.dialect.extra_fields) <= known
    assert BUNDLED.default_urls == (f"http://127.0.0.1:{inspect.signature(serve).parameters['port'].default}",)
