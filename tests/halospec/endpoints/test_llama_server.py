"""llama-server is known by its properties; its slots say whether it drafts, its router's list with which arguments."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from halospec.endpoints.api import KeyRefused
from halospec.endpoints.llama_server import LLAMA_SERVER
from halospec.endpoints.server_kind import SpeculationFacts
from mock_site import Site, listing, recorded

PROPS = recorded("llama_server", "props")
ROUTER_PROPS = {
    "role": "router",
    "max_instances": 12,
    "models_autoload": False,
    "default_generation_settings": {"params": None, "n_ctx": 0},
    "build_info": "b11434-abcdef0",
}
ROUTER_MODELS = recorded("llama_server", "router_models")


async def said(pages: dict[str, Any], model: str = "m") -> SpeculationFacts:
    async with Site(pages).api() as api:
        return await LLAMA_SERVER.speculation(api, model)


async def test_it_is_recognised_by_its_properties():
    site = Site({"/v1/models": listing("a"), "/props": PROPS})
    async with site.api() as api:
        found = await LLAMA_SERVER.recognise(api, site.models)

    assert found is not None
    assert (found.evidence, found.version) == ("/props names build b0-unknown", "b0-unknown")


async def test_its_router_is_recognised():
    site = Site({"/v1/models": ROUTER_MODELS, "/props": ROUTER_PROPS})
    async with site.api() as api:
        found = await LLAMA_SERVER.recognise(api, site.models)

    assert found is not None
    assert found.evidence == "/props names a router of build b11434-abcdef0"


async def test_behind_a_proxy_its_name_has_to_do():
    site = Site({"/v1/models": recorded("llama_server", "models")})
    async with site.api() as api:
        found = await LLAMA_SERVER.recognise(api, site.models)

    assert found is not None
    assert (found.evidence, found.version) == ("/models is owned by llamacpp", None)


@pytest.mark.parametrize("props", [{}, {"build_info": 7, "default_generation_settings": {}}, {"build_info": "b1"}, [1]])
async def test_other_servers_properties_are_not_its(props):
    site = Site({"/v1/models": listing("a"), "/props": props})
    async with site.api() as api:
        assert await LLAMA_SERVER.recognise(api, site.models) is None


async def test_a_key_that_is_refused_is_told_only_if_it_certainly_is_one():
    props = httpx.Response(401, json={"error": {"message": "Invalid API Key"}})
    certain = Site({"/v1/models": listing("a", owned_by="llamacpp"), "/props": props})
    perhaps = Site({"/v1/models": listing("a"), "/props": props})
    async with certain.api() as api:
        with pytest.raises(KeyRefused, match="HALOSPEC_API_KEY"):
            await LLAMA_SERVER.recognise(api, certain.models)
    async with perhaps.api() as api:
        assert await LLAMA_SERVER.recognise(api, perhaps.models) is None


async def test_the_slots_tell_that_it_drafts_although_the_properties_deny_it():
    facts = await said({"/props": PROPS, "/slots": recorded("llama_server", "slots")})

    assert facts == SpeculationFacts(configured=True, says="/slots: speculative is true")


async def test_the_slots_name_the_drafter_once_they_had_a_request():
    slots = [{"id": 0, "speculative": True, "params": {"speculative.types": "none,draft-simple"}}]

    assert (await said({"/slots": slots})).says == "/slots: speculative is true (draft-simple)"


async def test_a_server_that_drafts_nothing_says_so():
    facts = await said({"/props": PROPS, "/slots": [{"id": 0, "speculative": False}]})

    assert facts == SpeculationFacts(configured=False, says="/slots: speculative is false")


@pytest.mark.parametrize("slots", [httpx.Response(501), [], {}, [{"id": 0}], "none"])
async def test_without_slots_nothing_is_known(slots):
    assert await said({"/props": PROPS, "/slots": slots}) == SpeculationFacts()


async def test_a_router_shows_the_arguments_of_a_model_that_is_not_loaded_and_is_not_made_to_load_it():
    site = Site({"/props": ROUTER_PROPS, "/v1/models": ROUTER_MODELS})
    async with site.api() as api:
        drafting, plain = (
            await LLAMA_SERVER.speculation(api, "smol-d8"),
            await LLAMA_SERVER.speculation(api, "smol-base"),
        )

    assert drafting == SpeculationFacts(
        configured=True,
        says="/models: smol-d8 is started with --spec-type draft-simple --spec-draft-n-max 8",
        draft_length=8,
        is_router=True,
    )
    assert plain == SpeculationFacts(
        configured=False, says="/models: smol-base is started without --spec-type", is_router=True
    )
    assert not [asked for asked in site.asked if "slots" in asked]


async def test_of_a_routers_loaded_model_the_slots_are_asked_too():
    loaded = listing(
        "m", owned_by="llamacpp", status={"value": "loaded", "args": ["llama-server", "-m", "/srv/x.gguf"]}
    )
    pages = {
        "/props": ROUTER_PROPS,
        "/v1/models": loaded,
        "/slots?model=m&autoload=false": [{"id": 0, "speculative": True}],
    }

    facts = await said(pages)

    assert facts.configured is True
    assert facts.is_router


async def test_a_router_that_does_not_list_the_model():
    assert await said({"/props": ROUTER_PROPS, "/v1/models": ROUTER_MODELS}, "nope") == SpeculationFacts(is_router=True)


async def test_a_single_model_is_what_it_lists_first():
    site = Site({"/v1/models": recorded("llama_server", "models")})
    async with site.api() as api:
        assert await LLAMA_SERVER.loaded_model(api, site.models) is None
