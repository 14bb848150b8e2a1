"""Having Lemonade load a model again for each k, with a stand-in for Lemonade."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.reload import Reload
from halospec.knobs.types import KnobError, SwitchReason
from loading_stand_ins import DRAFTED, LemonadeModel, StandInLemonade, loads

NGRAM = DraftArgs("--spec-type ngram-simple --spec-ngram-simple-size-n 3 --spec-ngram-simple-size-m {k}")


@pytest.fixture
def lemonade():
    """It has `smol`, registered with a draft model and loaded with arguments of the user's, and `other`."""
    server = StandInLemonade(smol=LemonadeModel(checkpoints=DRAFTED), other=LemonadeModel())
    server.is_loaded_with("smol", ctx_size=4096, llamacpp_args="-np 1 -t 2", pinned=True)
    return server


@pytest.fixture
def reload(lemonade, ticking_clock):
    """Open the knob on the stand-in."""

    @asynccontextmanager
    async def opened(model="smol", draft_args=None):
        async with lemonade.api() as api, Reload(api, model, ticking_clock, draft_args) as knob:
            yield knob

    return opened


async def test_the_model_is_loaded_with_the_arguments_for_k(lemonade, reload):
    async with reload() as knob:
        switch = await knob.switch_to(4)
        assert lemonade.args_of("smol") == "-np 1 -t 2 --spec-type draft-simple --spec-draft-n-max 4"
        assert (switch.draft_length, switch.reason) == (4, SwitchReason.FIRST)
        assert switch.detail.endswith("-np 1 -t 2 --spec-type draft-simple --spec-draft-n-max 4")


async def test_everything_else_stays_as_the_user_has_it_and_nothing_is_saved(lemonade, reload):
    async with reload() as knob:
        await knob.switch_to(4)
        options = lemonade.options_of("smol")
    assert (options["ctx_size"], options["llamacpp_backend"], options["pinned"]) == (4096, "cpu", True)
    assert all(body["save_options"] is False for _path, body in lemonade.posts)


async def test_k_0_switches_speculation_off(lemonade, reload):
    async with reload() as knob:
        await knob.switch_to(4)
        switch = await knob.switch_to(0)
        assert lemonade.args_of("smol") == "-np 1 -t 2 --spec-type none"
        assert switch.reason is SwitchReason.CHANGED


async def test_the_same_k_loads_nothing(lemonade, reload):
    async with reload() as knob:
        await knob.switch_to(4)
        assert await knob.switch_to(4) is None
        assert loads(lemonade.posts) == ["smol"]


async def test_a_switch_lasts_as_long_as_the_load(reload):
    async with reload() as knob:
        first, second = await knob.switch_to(1), await knob.switch_to(2)
    assert [first.started_ns, first.ended_ns, second.started_ns, second.ended_ns] == [10, 20, 30, 40]


async def test_a_model_that_lemonade_let_go_of_is_loaded_again_for_the_same_k(lemonade, reload):
    async with reload() as knob:
        await knob.switch_to(4)
        lemonade.forget("smol")
        assert (await knob.switch_to(4)).reason is SwitchReason.DIED


async def test_a_model_that_somebody_loaded_otherwise_is_loaded_again(lemonade, reload):
    async with reload() as knob:
        await knob.switch_to(4)
        lemonade.is_loaded_with("smol", llamacpp_args="")
        assert (await knob.switch_to(4)).reason is SwitchReason.DIED
        assert "--spec-draft-n-max 4" in lemonade.args_of("smol")


class TestOnLeaving:
    async def test_the_model_is_loaded_as_it_was(self, lemonade, reload):
        before = lemonade.options_of("smol")
        async with reload() as knob:
            await knob.switch_to(4)
        assert lemonade.options_of("smol") == before

    async def test_a_knob_that_was_never_turned_changes_nothing(self, lemonade, reload):
        async with reload():
            pass
        assert lemonade.posts == []

    async def test_an_exception_does_not_keep_it_from_that(self, lemonade, reload):
        before = lemonade.options_of("smol")
        with suppress(ZeroDivisionError):
            async with reload() as knob:
                await knob.switch_to(4)
                raise ZeroDivisionError
        assert lemonade.options_of("smol") == before

    async def test_nor_does_cancellation(self, lemonade, reload):
        before = lemonade.options_of("smol")
        with anyio.CancelScope() as scope:
            async with reload() as knob:
                await knob.switch_to(4)
                scope.cancel()
                await anyio.sleep_forever()
        assert lemonade.options_of("smol") == before

    async def test_a_model_that_was_not_loaded_is_unloaded_and_the_one_that_made_room_is_back(self, lemonade, reload):
        lemonade.is_loaded_with("other", llamacpp_args="-t 1")
        before = lemonade.options_of("other")
        assert list(lemonade.loaded) == ["other"]
        async with reload() as knob:
            await knob.switch_to(4)
            assert list(lemonade.loaded) == ["smol"]
        assert list(lemonade.loaded) == ["other"]
        assert lemonade.options_of("other") == before

    async def test_other_models_that_a_failed_load_swept_away_are_back(self, ticking_clock):
        lemonade = StandInLemonade(models_max=3, smol=LemonadeModel(checkpoints=DRAFTED), other=LemonadeModel())
        lemonade.is_loaded_with("smol")
        lemonade.is_loaded_with("other", llamacpp_args="-t 1")
        async with lemonade.api() as api, Reload(api, "smol", ticking_clock, DraftArgs("--no-such-flag {k}")) as knob:
            with pytest.raises(KnobError):
                await knob.switch_to(1)
            assert lemonade.loaded == {}
        assert list(lemonade.loaded) == ["smol", "other"]
        assert lemonade.args_of("other") == "-t 1"

    async def test_a_model_that_cannot_be_loaded_as_it_was_is_named_in_a_warning(self, lemonade, reload, caplog):
        with caplog.at_level(logging.WARNING, "halospec.knobs"):
            async with reload() as knob:
                await knob.switch_to(4)
                del lemonade.models["smol"]
        (message,) = caplog.messages
        assert "could not load the model smol as it was" in message
        assert "-np 1 -t 2" in message

    async def test_a_lemonade_that_is_gone_is_named_in_a_warning(self, lemonade, reload, caplog):
        with caplog.at_level(logging.WARNING, "halospec.knobs"):
            async with reload() as knob:
                await knob.switch_to(4)
                lemonade.base_url = "nowhere"
                lemonade.answer = lambda *_: (500, {"error": "gone"})
        assert "may still run the model smol with other arguments" in caplog.messages[0]


class TestArguments:
    async def test_the_users_own_speculation_gives_way_and_the_rest_of_it_stays(self, lemonade, reload):
        lemonade.is_loaded_with(
            "smol", llamacpp_args="--spec-type ngram-mod --spec-draft-p-min 0.5 --spec_draft_n_max 6"
        )
        async with reload() as knob:
            await knob.switch_to(2)
            assert lemonade.args_of("smol") == "--spec-draft-p-min 0.5 --spec-type draft-simple --spec-draft-n-max 2"
            await knob.switch_to(0)
            assert lemonade.args_of("smol") == "--spec-draft-p-min 0.5 --spec-type none"

    async def test_what_is_quoted_stays_quoted_as_lemonade_quotes(self, lemonade, reload):
        lemonade.is_loaded_with("smol", llamacpp_args=r"-ot blk\.1=CPU --spec-type ngram-mod --alias 'a b'")
        async with reload() as knob:
            await knob.switch_to(0)
            assert lemonade.args_of("smol") == r"-ot 'blk\.1=CPU' --alias 'a b' --spec-type none"

    async def test_keys_among_the_arguments_are_not_shown(self, lemonade, reload, caplog):
        lemonade.is_loaded_with("smol", llamacpp_args="--hf-token sesame")
        with caplog.at_level(logging.WARNING, "halospec.knobs"):
            async with reload() as knob:
                switch = await knob.switch_to(1)
                lemonade.models.clear()
                with pytest.raises(KnobError) as problem:
                    await knob.switch_to(2)
        assert "sesame" not in f"{switch.detail} {problem.value} {caplog.messages}"
        assert "***" in caplog.messages[0]

    async def test_a_model_that_is_not_loaded_has_its_saved_arguments(self, lemonade, reload):
        lemonade.forget("smol")
        lemonade.models["smol"].saved = {"llamacpp_args": "-fa on"}
        async with reload() as knob:
            await knob.switch_to(1)
            assert lemonade.args_of("smol") == "-fa on --spec-type draft-simple --spec-draft-n-max 1"

    async def test_a_lemonade_without_a_page_of_options_tells_them_with_the_model(self, lemonade, reload):
        lemonade.forget("smol")
        lemonade.has_options_page = False
        lemonade.models["smol"].saved = {"llamacpp_args": "-fa on"}
        async with reload() as knob:
            await knob.switch_to(0)
            assert lemonade.args_of("smol") == "-fa on --spec-type none"

    @pytest.mark.parametrize(
        ("model", "spec_type"),
        [
            (LemonadeModel(checkpoints=DRAFTED), "draft-simple"),
            (LemonadeModel(labels=["chat", "mtp"]), "draft-mtp"),
            (
                LemonadeModel(checkpoints={"main": "m", "draft": "org/repo:dflash-q8.gguf"}, labels=["dflash"]),
                "draft-dflash",
            ),
            (
                LemonadeModel(checkpoints={"main": "m", "draft": "org/repo:dflashy.gguf"}, labels=["dflash"]),
                "draft-simple",
            ),
        ],
    )
    async def test_the_default_is_for_the_draft_that_the_model_has(self, lemonade, reload, model, spec_type):
        lemonade.models["smol"] = model
        async with reload() as knob:
            await knob.switch_to(3)
            assert lemonade.args_of("smol").endswith(f"--spec-type {spec_type} --spec-draft-n-max 3")

    @pytest.mark.parametrize("checkpoints", [{"main": "m"}, {"main": "m", "draft": "org/repo:DFlash-q8.gguf"}])
    async def test_a_model_without_a_draft_needs_other_draft_arguments(self, lemonade, reload, checkpoints):
        """Lemonade does not use a draft for DFlash of a model that is not labelled so."""
        lemonade.models["smol"] = LemonadeModel(checkpoints=checkpoints)
        with pytest.raises(KnobError, match=r"smol has no draft model on Lemonade; register it with one.*--draft-args"):
            async with reload():
                pytest.fail("entered")
        async with reload(draft_args=NGRAM) as knob:
            await knob.switch_to(8)
            assert lemonade.args_of("smol").endswith("--spec-ngram-simple-size-m 8")

    async def test_a_model_goes_by_its_long_name_too(self, lemonade, reload):
        async with reload("user.smol") as knob:
            await knob.switch_to(2)
        assert lemonade.args_of("smol") == "-np 1 -t 2"


class TestRefusals:
    async def test_arguments_that_lemonade_refuses_are_reported_in_its_words(self, reload):
        async with reload(draft_args=DraftArgs("-md draft.gguf --spec-draft-n-max {k}")) as knob:
            with pytest.raises(KnobError, match=r"the arguments -np 1 -t 2 -md.*'-md' is managed by Lemonade"):
                await knob.switch_to(1)

    async def test_arguments_that_lemonade_adds_by_itself_are_found_out(self, ticking_clock):
        lemonade = StandInLemonade(server_args="--spec_type ngram-mod", smol=LemonadeModel(checkpoints=DRAFTED))
        async with lemonade.api() as api, Reload(api, "smol", ticking_clock) as knob:
            with pytest.raises(
                KnobError, match=r"'--spec-type none' and runs it with '--spec-type none --spec-type ngram"
            ):
                await knob.switch_to(0)

    async def test_arguments_that_would_go_on_drafting_at_k_0_are_found_out(self, ticking_clock):
        lemonade = StandInLemonade(server_args="--spec-type ngram-mod", smol=LemonadeModel())
        draft_args = DraftArgs("--spec-type ngram-simple --spec-ngram-simple-size-m {k}", "")
        async with lemonade.api() as api, Reload(api, "smol", ticking_clock, draft_args) as knob:
            await knob.switch_to(1)
            with pytest.raises(KnobError, match=r"runs it with '--spec-type ngram-mod'"):
                await knob.switch_to(0)

    async def test_a_model_of_another_recipe_is_refused(self, lemonade, reload):
        lemonade.models["smol"] = LemonadeModel(recipe="flm")
        with pytest.raises(KnobError, match=r"recipe 'flm', which takes no draft length"):
            async with reload():
                pytest.fail("entered")

    async def test_an_unknown_model_is_refused(self, reload):
        with pytest.raises(KnobError, match=r"could not be asked about the model nope: HTTP 404"):
            async with reload("nope"):
                pytest.fail("entered")


def test_requests_say_nothing_of_k(lemonade, ticking_clock):
    change = Reload(None, "smol", ticking_clock).request_change(4)
    assert change.model is None
    assert not change.fields
