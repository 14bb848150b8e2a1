"""What real servers were recorded to say of their models is understood."""

from __future__ import annotations

from halospec.knobs.lemonade_models import LemonadeModels, find_loaded
from halospec.knobs.residency import LemonadeResidency, RouterResidency
from mock_site import Site, recorded

MODEL = "SmolLM2-135M-Instruct.Q4_1"


async def test_lemonade_says_what_runs_and_with_which_command():
    async with Site({"/v1/health": recorded("lemonade", "health_loaded")}).api() as api:
        found = find_loaded(MODEL, await LemonadeModels(api).loaded())
        command = await LemonadeResidency(api).command_of(MODEL)
    assert found is not None
    assert found.load_options == {
        "ctx_size": 2048,
        "llamacpp_args": "",
        "llamacpp_backend": "system",
        "pinned": False,
    }
    assert command == found.launch_command
    assert command[-3:] == ("8001", "--jinja", "--metrics")


async def test_lemonade_says_that_nothing_runs():
    async with Site({"/v1/health": recorded("lemonade", "health")}).api() as api:
        assert await LemonadeResidency(api).command_of(MODEL) is None


async def test_lemonade_describes_a_model():
    async with Site({f"/v1/models/{MODEL}": recorded("lemonade", "model_one")}).api() as api:
        described = await LemonadeModels(api).description(MODEL)
    assert (described.id, described.recipe, described.speculation_type) == (MODEL, "llamacpp", None)


async def test_a_router_says_which_models_are_not_loaded():
    async with Site({"/models": recorded("llama_server", "router_models")}).api() as api:
        assert await RouterResidency(api).command_of("smol-d8") is None
