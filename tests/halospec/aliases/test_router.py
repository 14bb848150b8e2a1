"""Aliases on a stand-in for llama-server's router with a real preset file."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from halospec.aliases.errors import AliasError
from halospec.aliases.types import Patience
from halospec.knobs.draft_args import DraftArgs

NGRAM = DraftArgs("--spec-type ngram-mod --spec-ngram-mod-n-max {k}")


async def test_each_length_becomes_a_model_with_the_same_options_but_for_speculation(router) -> None:
    created = await router.create(4, 0)
    assert created.names == {0: "smol-k0", 4: "smol-k4"}
    assert created.template == "smol-k{k}"
    assert created.loaded
    assert created.to_paste is None
    assert router.stand_in.running() == {"smol-k0", "smol-k4"}
    shared = {"model": "/models/with space/target.bin", "ctx-size": "2048", "threads": "2"}
    assert router.stand_in.instances["smol-k0"].options == {**shared, "spec-type": "none"}
    assert router.stand_in.instances["smol-k4"].options == {
        **shared,
        "model-draft": "/models/draft.bin",
        "draft-p-min": "0.5",
        "spec-type": "draft-simple",
        "spec-draft-n-max": "4",
    }
    assert router.told == ["loading smol-k0 (1 of 2)", "loading smol-k4 (2 of 2)"]


async def test_removing_them_leaves_nothing_behind(router) -> None:
    before = router.stand_in.preset.read_bytes()
    await router.create(0, 1, 2)
    assert len(router.states) == 1
    removed = await router.remove()
    assert removed.removed == ("smol-k0", "smol-k1", "smol-k2")
    assert (removed.left, removed.notes) == ((), ())
    assert router.stand_in.preset.read_bytes() == before
    assert set(router.stand_in.instances) == {"smol", "plain"}
    assert router.states == []


async def test_removing_twice_or_nothing_is_no_error(router) -> None:
    assert (await router.remove()).removed == ()
    await router.create(0, load=False)
    await router.remove()
    assert (await router.remove(preset=router.stand_in.preset)).removed == ()


async def test_a_path_is_copied_as_it_is(router) -> None:
    await router.create(0, 2, model="plain", draft_args=NGRAM)
    assert router.stand_in.instances["plain-k2"].options == {
        "model": 'C:\\models\\"quoted".bin',
        "threads": "2",
        "spec-type": "ngram-mod",
        "spec-ngram-mod-n-max": "2",
    }


async def test_without_a_preset_file_nothing_changes_and_the_sections_are_given(router) -> None:
    before = router.stand_in.preset.read_bytes()
    created = await router.create(0, 3, preset=None)
    assert router.stand_in.preset.read_bytes() == before
    assert router.states == []
    assert all(line.startswith("GET") for line in router.stand_in.seen)
    assert not created.loaded
    router.stand_in.preset.write_bytes(before + created.to_paste.encode())
    router.stand_in.reload()
    assert router.stand_in.instances["smol-k3"].options["spec-draft-n-max"] == "3"
    removed = await router.remove(preset=router.stand_in.preset)
    assert removed.removed == ("smol-k0", "smol-k3")
    assert router.stand_in.preset.read_bytes() == before


async def test_a_file_that_the_router_does_not_read_is_put_back(router, tmp_path: Path) -> None:
    other = tmp_path / "other.ini"
    other.write_bytes(b"[smol]\nc = 1")
    with pytest.raises(AliasError, match=r"does not read .*other\.ini.*; what was begun has been undone\.$"):
        await router.create(0, 1, preset=other)
    assert other.read_bytes() == b"[smol]\nc = 1"
    assert router.states == []


@pytest.mark.parametrize(
    ("command_line", "complaint"),
    [
        ({"spec-draft-n-max": "4"}, "smol-k2 with spec-draft-n-max = '4' where '2' is meant"),
        ({"spec-type": "draft-simple"}, "smol-k0 with spec-type = 'draft-simple' where 'none' is meant"),
    ],
)
async def test_a_router_whose_own_command_line_sets_k_is_found_out(router, command_line, complaint) -> None:
    router.stand_in.command_line = command_line
    router.stand_in.reload()
    before = router.stand_in.preset.read_bytes()
    with pytest.raises(AliasError, match=complaint):
        await router.create(0, 2)
    assert router.stand_in.preset.read_bytes() == before
    assert router.stand_in.running() == set()


async def test_own_arguments_that_come_to_the_same_for_two_lengths_are_found_out(router) -> None:
    router.stand_in.command_line = {"model-draft": "/models/other.bin"}
    router.stand_in.reload()
    own = DraftArgs("--spec-draft-model /models/k{k}.bin --spec-type draft-simple")
    with pytest.raises(AliasError, match="smol-k2 and smol-k4 alike"):
        await router.create(2, 4, draft_args=own)


async def test_a_value_that_a_preset_file_cannot_hold_is_found_out(router) -> None:
    router.stand_in.instances["smol"].options["model"] = "/models/a#b.bin"
    before = router.stand_in.preset.read_bytes()
    with pytest.raises(AliasError, match=r"model = '/models/a#b\.bin', which a preset file cannot hold"):
        await router.create(0, 1)
    assert router.stand_in.preset.read_bytes() == before


async def test_keys_and_tokens_are_not_copied(router) -> None:
    router.stand_in.command_line = {"hf-token": "hf_secret"}
    router.stand_in.reload()
    await router.create(0, 1)
    assert "hf_secret" not in router.stand_in.preset.read_text()
    assert "hf_secret" not in router.states[0].read_text()


async def test_arguments_that_llama_server_does_not_know_are_told_in_its_words(router) -> None:
    before = router.stand_in.preset.read_bytes()
    with pytest.raises(AliasError, match=r"option 'nonsense' not recognized in preset 'smol-k1'.*undone"):
        await router.create(0, 1, draft_args=DraftArgs("--nonsense {k}"))
    assert router.stand_in.preset.read_bytes() == before
    assert set(router.stand_in.instances) == {"smol", "plain"}


async def test_a_model_that_does_not_load_undoes_it_all(router) -> None:
    router.stand_in.breaks = frozenset({"smol-k1"})
    before = router.stand_in.preset.read_bytes()
    with pytest.raises(AliasError, match=r"smol-k1 could not be loaded \(its process ended with 1\).*undone"):
        await router.create(0, 1)
    assert router.stand_in.preset.read_bytes() == before
    assert router.stand_in.running() == set()
    assert router.states == []


async def test_a_model_that_takes_too_long_undoes_it_all(router) -> None:
    router.patience = Patience(load_s=0.05, poll_s=0.01)
    router.stand_in.never_ready = frozenset({"smol-k1"})
    before = router.stand_in.snapshot()
    with pytest.raises(AliasError, match=r"smol-k1 was not loaded within 0\.05 s; what was begun has been undone"):
        await router.create(0, 1)
    assert router.stand_in.snapshot() == before


async def test_a_router_with_too_little_room_is_refused_before_anything_changes(router) -> None:
    router.stand_in.max_instances = 2
    with pytest.raises(
        AliasError, match=r"holds 2 models at once, and 3 aliases are wanted; start it with --models-max 3"
    ):
        await router.create(0, 1, 2)
    assert router.states == []
    assert (await router.create(0, 1, 2, preset=None)).notes, "to paste, it is only said"


async def test_it_is_said_when_the_aliases_take_all_the_room(router) -> None:
    router.stand_in.max_instances = 2
    created = await router.create(0, 1)
    assert "displace" in created.notes[0]


async def test_a_server_that_is_no_router_is_told_how_to_become_one(router) -> None:
    router.stand_in.role = "model"
    with pytest.raises(AliasError, match=r"--models-preset FILE\.ini --models-max 2"):
        await router.create(0, 1)


async def test_a_model_without_a_draft_is_refused_before_anything_changes(router) -> None:
    before = router.stand_in.preset.read_bytes()
    with pytest.raises(AliasError, match="no draft model"):
        await router.create(0, 1, model="plain")
    assert (router.stand_in.preset.read_bytes(), router.states) == (before, [])


async def test_an_unknown_model_is_refused(router) -> None:
    with pytest.raises(AliasError, match="no model 'nope'"):
        await router.create(0, model="nope")


async def test_a_name_that_is_taken_is_refused(router) -> None:
    router.stand_in.preset.write_text(router.stand_in.preset.read_text() + "[smol-k1]\nmodel = /models/mine.bin\n")
    with pytest.raises(AliasError, match=r"has a section \[smol-k1\] of its own"):
        await router.create(0, 1)
    router.stand_in.reload()
    with pytest.raises(AliasError, match="has a model 'smol-k1' already"):
        await router.create(0, 1)
    assert (await router.remove(preset=router.stand_in.preset)).removed == ()
    assert "[smol-k1]" in router.stand_in.preset.read_text()


async def test_a_colon_is_kept_out_of_the_names_since_the_router_spells_quantisations_its_own_way(router) -> None:
    router.stand_in.preset.write_text("[org/m:Q4_K_M]\nmodel = a.bin\nmd = b.bin\n")
    router.stand_in.reload()
    created = await router.create(0, 2, model="org/m:Q4_K_M")
    assert created.template == "org/m-Q4_K_M-k{k}"
    assert created.names[2] == "org/m-Q4_K_M-k2"
    assert (await router.remove("org/m:Q4_K_M")).removed == ("org/m-Q4_K_M-k0", "org/m-Q4_K_M-k2")


@pytest.mark.parametrize("name", ["a]b", "a{k}"])
async def test_a_name_that_no_section_can_have_is_refused(router, name: str) -> None:
    router.stand_in.instances[name] = router.stand_in.instances["smol"]
    with pytest.raises(AliasError, match="cannot have"):
        await router.create(0, model=name)


async def test_a_preset_file_that_is_not_there_is_named(router, tmp_path: Path) -> None:
    with pytest.raises(AliasError, match=r"Cannot read the preset file .*nowhere\.ini: No such file"):
        await router.create(0, preset=tmp_path / "nowhere.ini")


async def test_the_file_is_mended_even_if_the_router_is_gone_and_the_router_told_the_next_time(router) -> None:
    before = router.stand_in.preset.read_bytes()
    await router.create(0, 1)

    def refuse(request: httpx.Request) -> None:
        raise httpx.ConnectError("refused", request=request)

    router.stand_in.answers = refuse
    with pytest.raises(AliasError, match=r"are out of .*models\.ini, but the router has them until"):
        await router.remove()
    assert router.stand_in.preset.read_bytes() == before
    assert len(router.states) == 1
    router.stand_in.answers = lambda _: None
    assert (await router.remove()).removed == ("smol-k0", "smol-k1")
    assert router.states == []
    assert set(router.stand_in.instances) == {"smol", "plain"}


async def test_an_answer_of_another_shape_is_one_sentence(router) -> None:
    router.stand_in.answers = lambda request: (
        httpx.Response(200, json={"data": 7}) if request.url.path == "/models" else None
    )
    with pytest.raises(AliasError, match=r"/models answered otherwise than expected \(data: "):
        await router.create(0)
