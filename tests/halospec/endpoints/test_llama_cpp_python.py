"""llama-cpp-python's own server is known by the title of its API description."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.llama_cpp_python import LLAMA_CPP_PYTHON
from halospec.endpoints.server_kind import SpeculationFacts
from mock_site import Site, listing

# As the server of llama-cpp-python 0.3.36 has them.
DESCRIPTION = {"openapi": "3.1.0", "info": {"title": "🦙 llama.cpp Python API", "version": "0.3.36"}, "paths": {}}
MODELS = listing("/srv/models/x.gguf", object="model", owned_by="me", permissions=[])


async def test_it_is_recognised_with_its_version():
    site = Site({"/v1/models": MODELS, "/openapi.json": DESCRIPTION})
    async with site.api() as api:
        found = await LLAMA_CPP_PYTHON.recognise(api, site.models)

    assert found is not None
    assert (found.evidence, found.version) == ('/openapi.json is titled "🦙 llama.cpp Python API"', "0.3.36")


@pytest.mark.parametrize(
    "description",
    [
        {"info": {"title": "HaloSpec server", "version": "1"}},
        {"info": "llama.cpp Python API"},
        httpx.Response(200, html="<html>llama.cpp Python API"),
        httpx.Response(404),
    ],
)
async def test_other_descriptions_are_not_its(description):
    site = Site({"/v1/models": MODELS, "/openapi.json": description})
    async with site.api() as api:
        assert await LLAMA_CPP_PYTHON.recognise(api, site.models) is None


async def test_it_says_nothing_of_speculation():
    async with Site({"/openapi.json": DESCRIPTION}).api() as api:
        assert await LLAMA_CPP_PYTHON.speculation(api, "m") == SpeculationFacts()


def test_its_greedy_decoding_is_made_plain():
    assert LLAMA_CPP_PYTHON.dialect.extra_fields == {"repeat_penalty": 1.0}


def described(**schema):
    return {**DESCRIPTION, "components": {"schemas": {"CreateChatCompletionRequest": schema}}}


@pytest.mark.parametrize(
    ("description", "known"),
    [
        (described(properties={"model": {}, "top_k": {}}), {"model", "top_k"}),
        (described(properties={"model": {}}, additionalProperties=False), {"model"}),
        (described(properties={"model": {}}, additionalProperties=True), None),
        (described(), None),
        (DESCRIPTION, None),
    ],
)
async def test_the_fields_that_it_knows_are_those_of_its_description_unless_it_takes_others(description, known):
    site = Site({"/v1/models": MODELS, "/openapi.json": description})
    async with site.api() as api:
        facts = await LLAMA_CPP_PYTHON.speculation(api, "x")
    assert facts.known_fields == known
    assert facts.configured is None
