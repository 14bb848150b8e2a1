"""Lemonade is known by its health page, and says there with which arguments a model runs."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from halospec.endpoints.api import KeyRefused, ServerApi
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.lemonade import LEMONADE
from halospec.endpoints.server_kind import SpeculationFacts
from lemonade_double import MODEL, lemonade_double
from mock_site import Site, listing, recorded

HEALTH = recorded("lemonade", "health_loaded")
MODELS = recorded("lemonade", "models")


def health(*loaded: dict[str, Any], latest: str | None = None) -> dict[str, Any]:
    """Return a recorded health page with these models in place of the recorded one."""
    page = copy.deepcopy(HEALTH)
    example = page["all_models_loaded"][0]
    page["all_models_loaded"] = [example | one for one in loaded]
    page["model_loaded"] = latest
    return page


def started_with(*arguments: str, name: str = MODEL) -> dict[str, Any]:
    return {"model_name": name, "launch_command": ["llama-server", "-m", "/srv/x.gguf", *arguments]}


async def said(pages: dict[str, Any], model: str = MODEL) -> SpeculationFacts:
    async with Site(pages).api() as api:
        return await LEMONADE.speculation(api, model)


async def test_it_is_recognised_by_its_health_page():
    site = Site({"/v1/models": listing("a"), "/v1/health": HEALTH})
    async with site.api() as api:
        found = await LEMONADE.recognise(api, site.models)

    assert found is not None
    assert found.version == "11.7.0"


async def test_it_is_recognised_by_its_name_where_its_health_page_cannot_be_had():
    site = Site({"/v1/models": MODELS})
    async with site.api() as api:
        found = await LEMONADE.recognise(api, site.models)

    assert found is not None
    assert (found.evidence, found.version) == ("/models is owned by lemonade", None)


@pytest.mark.parametrize(
    "answer", [{"status": "ok"}, [], "ok", {"all_models_loaded": 3}, httpx.Response(200, html="<html>")]
)
async def test_other_health_pages_are_not_lemonades(answer):
    site = Site({"/v1/models": listing("a"), "/v1/health": answer})
    async with site.api() as api:
        assert await LEMONADE.recognise(api, site.models) is None


async def test_a_loaded_model_without_speculation():
    assert await said({"/v1/health": HEALTH}) == SpeculationFacts(
        configured=False, says="/health: the model is started without --spec-type", can_reload=True
    )


async def test_a_loaded_model_with_a_draft():
    page = health(
        started_with("--model-draft", "/srv/d.gguf", "--spec-type", "draft-simple", "--spec-draft-n-max", "3")
    )

    assert await said({"/v1/health": page}) == SpeculationFacts(
        configured=True,
        says="/health: the model is started with --spec-type draft-simple --spec-draft-n-max 3",
        draft_length=3,
        can_reload=True,
    )


async def test_the_model_that_is_asked_for_is_meant_among_several():
    page = health(started_with(name="Smol-k0"), started_with("--spec-type", "ngram-mod", name="Smol-k8"))

    assert (await said({"/v1/health": page}, "user.Smol-k0")).configured is False
    assert (await said({"/v1/health": page}, "user.Smol-k8")).configured is True


async def test_a_model_that_is_not_loaded_may_have_saved_options():
    options = {"effective": {"llamacpp_args": "-np 1 --spec-type ngram-mod --spec-ngram-mod-n-max 16"}}
    pages = {"/v1/health": health(), f"/v1/models/user.{MODEL}/options": options}

    facts = await said(pages, f"user.{MODEL}")

    assert (facts.configured, facts.draft_length) == (True, 16)
    assert "not loaded" in facts.says


@pytest.mark.parametrize("arguments", ["", "-np 1", "--spec-type 'ngram"])
async def test_saved_options_without_speculation_say_nothing_since_lemonade_may_add_some(arguments):
    pages = {"/v1/health": health(), f"/v1/models/{MODEL}/options": {"effective": {"llamacpp_args": arguments}}}

    assert await said(pages) == SpeculationFacts(says="/health: the model is not loaded", can_reload=True)


async def test_a_name_with_a_slash_is_one_part_of_the_path():
    site = Site({"/v1/health": health()})
    async with site.api() as api:
        await LEMONADE.speculation(api, "org/model?x")

    assert site.asked[-1] == "/v1/models/org%2Fmodel%3Fx/options"


async def test_a_model_that_no_llama_server_runs_cannot_be_reloaded_with_its_arguments():
    facts = await said({"/v1/health": health(started_with() | {"recipe": "flm"})})

    assert facts == SpeculationFacts(says="/health: the model's recipe is flm")


async def test_a_server_that_says_nothing_useful():
    assert await said({}) == SpeculationFacts()


async def test_the_text_model_used_last_is_the_one_in_memory():
    site = Site({"/v1/models": listing("a", "b", "c"), "/v1/health": HEALTH})
    pages = {
        "b": health({"model_name": "b"}, {"model_name": "c"}, latest="b"),
        "c": health({"model_name": "b", "type": "embedding"}, {"model_name": "c"}, latest="b"),
        None: health({"model_name": "unlisted"}),
    }
    async with site.api() as api:
        for expected, page in pages.items():
            site.pages["/v1/health"] = page
            assert await LEMONADE.loaded_model(api, site.models) == expected


async def test_a_key_that_is_refused_is_told():
    async with lemonade_double(api_key="sekret") as double:
        connection = ConnectionSettings(api_key="nope")
        async with open_client(double.url, connection, None) as client:
            with pytest.raises(KeyRefused):
                await LEMONADE.speculation(ServerApi(client, f"{double.url}/v1", api_key="nope"), MODEL)


async def test_the_doubles_scenes():
    async with lemonade_double() as quiet, open_client(quiet.url, ConnectionSettings(), None) as client:
        api = ServerApi(client, f"{quiet.url}/api/v1")
        assert (await LEMONADE.speculation(api, MODEL)).configured is None
        await api.post_json("load", {"model_name": MODEL})
        assert (await LEMONADE.speculation(api, MODEL)).configured is False
