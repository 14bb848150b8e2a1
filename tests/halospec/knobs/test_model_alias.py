"""k by the model's name, with stand-ins for the servers that keep the models."""

from __future__ import annotations

import pytest

from halospec.knobs.model_alias import ModelAlias
from halospec.knobs.residency import LemonadeResidency, RouterResidency
from halospec.knobs.types import KnobError, SwitchReason
from loading_stand_ins import LemonadeModel, StandInLemonade, StandInRouter, loads

NAMES = ("smol", "smol-k0", "smol-k1", "smol-k8", "smol-k100", "smol-kx")


def test_the_lengths_are_those_for_which_the_server_lists_a_model():
    assert ModelAlias("smol-k{k}", NAMES).lengths == {0, 1, 8}


def test_a_request_asks_for_the_alias_and_says_nothing_else():
    change = ModelAlias("smol-k{k}", NAMES).request_change(8)
    assert change.model == "smol-k8"
    assert not change.fields


def test_a_length_without_an_alias_is_refused_by_name():
    with pytest.raises(KnobError, match=r"no model smol-k4 for k = 4 .*k = 0, 1, 8.*`halospec aliases create`"):
        ModelAlias("smol-k{k}", NAMES).request_change(4)


def test_a_server_without_any_alias_is_refused():
    with pytest.raises(ValueError, match=r"no model smol-k0, smol-k1 or the like.*`halospec aliases create`"):
        ModelAlias("smol-k{k}", ["smol"])


def test_a_template_needs_a_place_for_k():
    with pytest.raises(ValueError, match=r"holds no \{k\}"):
        ModelAlias("smol", NAMES)


async def test_a_server_that_is_only_known_to_list_names_is_left_to_load_them():
    assert await ModelAlias("smol-k{k}", NAMES).switch_to(1) is None


@pytest.fixture
def router():
    return StandInRouter("smol-k0", "smol-k1", "smol-k8")


@pytest.fixture
async def knob(router, ticking_clock):
    async with router.api() as api:
        yield ModelAlias("smol-k{k}", list(router.models), residency=RouterResidency(api), clock=ticking_clock)


class TestOnARouter:
    async def test_an_alias_is_loaded_before_its_first_request(self, router, knob):
        switch = await knob.switch_to(8)
        assert router.loaded == ["smol-k8"]
        assert (switch.draft_length, switch.reason) == (8, SwitchReason.FIRST)
        assert (switch.started_ns, switch.ended_ns) == (10, 20)
        assert switch.detail == "llama-server --alias smol-k8"

    async def test_one_that_is_loaded_costs_nothing(self, router, knob):
        await knob.switch_to(8)
        assert await knob.switch_to(8) is None
        assert loads(router.posts) == ["smol-k8"]

    async def test_one_that_the_server_let_go_of_is_loaded_again(self, router, knob):
        await knob.switch_to(8)
        router.models["smol-k8"].status = "unloaded"
        switch = await knob.switch_to(8)
        assert switch.reason is SwitchReason.DIED
        assert router.loaded == ["smol-k8"]

    async def test_one_that_was_there_from_the_start_and_went_is_not_loaded_for_the_first_time(self, router, knob):
        router.models["smol-k1"].status = "loaded"
        assert await knob.switch_to(1) is None
        router.models["smol-k1"].status = "unloaded"
        assert (await knob.switch_to(1)).reason is SwitchReason.DIED

    async def test_one_that_is_being_loaded_is_waited_for(self, router, knob):
        router.models["smol-k1"].status = "loading"
        router.models["smol-k1"].looks_until_loaded = 3
        assert await knob.switch_to(1) is not None
        assert loads(router.posts) == []
        assert router.loaded == ["smol-k1"]

    async def test_one_that_sleeps_is_woken_up(self, router, knob):
        router.models["smol-k1"].status = "sleeping"
        assert await knob.switch_to(1) is not None
        assert router.loaded == ["smol-k1"]

    async def test_one_that_cannot_be_loaded_is_reported(self, router, knob):
        router.models["smol-k1"].breaks = True
        with pytest.raises(KnobError, match=r"smol-k1 could not be loaded \(its process ended with status 1\)"):
            await knob.switch_to(1)

    async def test_an_earlier_failure_is_not_taken_for_this_one(self, router, knob):
        router.models["smol-k1"].exit_code = 1
        assert await knob.switch_to(1) is not None

    async def test_one_that_disappeared_is_reported(self, router, knob):
        del router.models["smol-k1"]
        with pytest.raises(KnobError, match=r"no longer lists the model smol-k1"):
            await knob.switch_to(1)

    async def test_the_least_used_one_may_have_to_go(self, ticking_clock):
        router = StandInRouter("m-k0", "m-k1", models_max=1)
        async with router.api() as api:
            knob = ModelAlias("m-k{k}", list(router.models), residency=RouterResidency(api), clock=ticking_clock)
            reasons = [(await knob.switch_to(k)).reason for k in (0, 1, 0)]
        assert reasons == [SwitchReason.FIRST, SwitchReason.FIRST, SwitchReason.DIED]

    async def test_a_load_that_takes_too_long_is_given_up(self, router):
        router.models["smol-k1"].status = "loading"
        router.models["smol-k1"].looks_until_loaded = 10**9
        async with router.api() as api:
            knob = ModelAlias("smol-k{k}", list(router.models), residency=RouterResidency(api, load_timeout_s=0.1))
            with pytest.raises(KnobError, match=r"smol-k1 was not loaded within 0\.1 s"):
                await knob.switch_to(1)


async def test_a_server_that_is_no_router_after_all_is_reported():
    async with StandInLemonade().api() as api:
        with pytest.raises(KnobError, match=r"could not be loaded: HTTP 404"):
            await ModelAlias("m-k{k}", ["m-k1"], residency=RouterResidency(api)).switch_to(1)


class TestOnLemonade:
    @pytest.fixture
    def lemonade(self):
        saved = {"llamacpp_args": "--spec-type draft-simple --spec-draft-n-max 1"}
        return StandInLemonade(**{"smol-k0": LemonadeModel(), "smol-k1": LemonadeModel(saved=saved)})

    async def test_an_alias_is_loaded_with_the_options_saved_for_it(self, lemonade, ticking_clock):
        async with lemonade.api() as api:
            knob = ModelAlias(
                "user.smol-k{k}",
                ["user.smol-k0", "user.smol-k1"],
                residency=LemonadeResidency(api),
                clock=ticking_clock,
            )
            switch = await knob.switch_to(1)
            assert await knob.switch_to(1) is None
        assert lemonade.args_of("smol-k1") == "--spec-type draft-simple --spec-draft-n-max 1"
        assert switch.detail.endswith("--spec-type draft-simple --spec-draft-n-max 1")
        assert loads(lemonade.posts) == ["user.smol-k1"]

    async def test_a_refusal_is_reported_in_lemonades_words(self, lemonade):
        async with lemonade.api() as api:
            knob = ModelAlias("smol-k{k}", ["smol-k7"], residency=LemonadeResidency(api))
            with pytest.raises(KnobError, match=r"smol-k7 could not be loaded: .*was not found"):
                await knob.switch_to(7)
