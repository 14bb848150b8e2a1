"""Aliases on a stand-in for Lemonade's registry: whatever happens, the files of the user's models must survive."""

from __future__ import annotations

import httpx
import pytest

from halospec.aliases.errors import AliasError
from halospec.knobs.draft_args import DraftArgs
from lemonade_registry_stand_in import HUB, hub_path

NOWHERE = {"main": "halospec/removed-alias:none"}


@pytest.fixture(autouse=True)
def _no_file_is_lost(lemonade) -> object:
    before = set(lemonade.stand_in.disk)
    yield
    assert before <= lemonade.stand_in.disk, "a model file was deleted"


async def test_each_length_becomes_a_model_that_runs_with_its_own_arguments(lemonade) -> None:
    lemonade.stand_in.options["user.smol"] = {"llamacpp_args": "-np 1 --spec-type draft-simple", "ctx_size": 1024}
    created = await lemonade.create(0, 4)
    assert created.names == {0: "smol-k0", 4: "smol-k4"}
    assert created.template == "smol-k{k}"
    assert created.loaded
    target, draft = hub_path("org/smol-GGUF", "Q4_1"), hub_path("org/draft-GGUF", "Q4_0")
    assert lemonade.stand_in.loaded["user.smol-k0"][2] == target
    assert lemonade.stand_in.loaded["user.smol-k0"][5:] == ["-np", "1", "--spec-type", "none"]
    assert lemonade.stand_in.loaded["user.smol-k4"][5:] == [
        *("--model-draft", draft, "-np", "1"),
        *("--spec-type", "draft-simple", "--spec-draft-n-max", "4"),
    ]
    assert lemonade.stand_in.options["user.smol-k4"]["ctx_size"] == 1024


async def test_the_model_itself_is_not_touched(lemonade) -> None:
    model, options = dict(lemonade.stand_in.models["user.smol"]), dict(lemonade.stand_in.options)
    await lemonade.create(0, 1)
    await lemonade.remove()
    assert lemonade.stand_in.models["user.smol"] == model
    assert lemonade.stand_in.options == options


async def test_all_aliases_get_the_same_context_where_it_would_depend_on_free_memory(lemonade) -> None:
    await lemonade.create(0, 1)
    sizes = {lemonade.stand_in.options[f"user.smol-k{k}"]["ctx_size"] for k in (0, 1)}
    assert sizes == {4096}


async def test_room_is_made_and_the_limit_put_back(lemonade) -> None:
    lemonade.stand_in.loaded["Built-in"] = ["llama-server"]
    created = await lemonade.create(0, 1, 2)
    assert lemonade.stand_in.limit == 4, "three aliases beside what was loaded"
    assert "Built-in" in lemonade.stand_in.loaded
    assert created.notes == (
        "Lemonade's max_loaded_models was 1 and is 4 until the aliases are removed.",
    )  # fmt: skip
    assert (await lemonade.remove()).notes == ()
    assert lemonade.stand_in.limit == 1
    assert set(lemonade.stand_in.loaded) == {"Built-in"}


@pytest.mark.parametrize("limit", [-1, 9])
async def test_a_limit_that_is_wide_enough_is_left_alone(lemonade, limit: int) -> None:
    lemonade.stand_in.limit = limit
    assert (await lemonade.create(0, 1)).notes == ()
    await lemonade.remove()
    assert lemonade.stand_in.limit == limit
    assert lemonade.stand_in.posted("/internal/set") == []


async def test_a_limit_that_somebody_else_changed_is_theirs(lemonade) -> None:
    await lemonade.create(0, 1)
    lemonade.stand_in.limit = 7
    assert "max_loaded_models is 7 now" in (await lemonade.remove()).notes[0]
    assert lemonade.stand_in.limit == 7


async def test_removing_them_leaves_nothing_behind_but_the_files(lemonade) -> None:
    disk, models = set(lemonade.stand_in.disk), dict(lemonade.stand_in.models)
    await lemonade.create(0, 1, 8)
    removed = await lemonade.remove()
    assert removed.removed == ("user.smol-k0", "user.smol-k1", "user.smol-k8")
    assert lemonade.stand_in.disk == disk
    assert lemonade.stand_in.models == models
    assert lemonade.stand_in.loaded == {}
    assert lemonade.stand_in.options == {}
    assert lemonade.states == []
    assert (await lemonade.remove()).removed == ()


async def test_an_alias_is_deleted_only_once_it_leads_nowhere(lemonade) -> None:
    await lemonade.create(1)
    deleted_with = []

    def note(request: httpx.Request) -> None:
        if request.url.path.endswith("/delete"):
            deleted_with.append((lemonade.stand_in.models["user.smol-k1"], lemonade.stand_in.leads_to("user.smol-k1")))

    lemonade.stand_in.answers = note
    await lemonade.remove()
    [(definition, leads_to)] = deleted_with
    assert definition["checkpoints"] == NOWHERE
    assert leads_to == {"main": f"{HUB}/models--halospec--removed-alias"}
    assert not any("removed-alias" in file for file in lemonade.stand_in.disk)


def looks_different(path: str, **change: object):
    """Answer a page of the alias otherwise than 11.7.0 would."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith(path) and request.method == "GET":
            shown = {"id": "smol-k1", "recipe": "llamacpp", "downloaded": False, "source": "huggingface"}
            return httpx.Response(200, json={**shown, "checkpoints": NOWHERE, **change})
        return None

    return answer


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/models/user.smol-k1", {"downloaded": True}),
        ("/models/user.smol-k1", {"checkpoints": {"main": "org/smol-GGUF:Q4_1"}}),
        ("/models/user.smol-k1", {"checkpoints": {**NOWHERE, "draft": "org/draft-GGUF:Q4_0"}}),
        ("/models/user.smol-k1", {"source": "local_path"}),
        ("/models/user.smol-k1", {"id": "smol"}),
        ("/files", {"files": [{"name": "models--halospec--removed-alias", "exists": True}]}),
        ("/files", {"files": [{"name": "models--org--smol-GGUF", "exists": False}]}),
        ("/files", {"files": [{"name": "Q4_1.gguf", "exists": True}]}),
        ("/files", {}),
    ],
)
async def test_nothing_is_deleted_when_anything_looks_different(lemonade, path: str, change: dict[str, object]) -> None:
    await lemonade.create(1)
    lemonade.stand_in.answers = looks_different(path, **change)
    removed = await lemonade.remove()
    assert lemonade.stand_in.posted("/delete") == []
    assert removed.removed == ()
    assert removed.left == ("user.smol-k1",)
    assert "take smol-k1 out of Lemonade's user_models.json by hand" in removed.notes[0]
    assert lemonade.stand_in.loaded == {}, "it is unloaded all the same"
    assert lemonade.stand_in.options == {}
    assert lemonade.stand_in.limit == 1
    del lemonade.stand_in.models["user.smol-k1"]
    lemonade.stand_in.answers = lambda _: None
    assert (await lemonade.remove()).left == ()
    assert lemonade.states == []


@pytest.mark.parametrize("path", ["/models/register", "/delete"])
async def test_what_lemonade_refuses_to_remove_is_said_with_its_reason(lemonade, path: str) -> None:
    await lemonade.create(1)
    lemonade.stand_in.answers = lambda request: (
        httpx.Response(500, json={"error": "the disk is full"}) if request.url.path.endswith(path) else None
    )
    removed = await lemonade.remove()
    assert removed.left == ("user.smol-k1",)
    assert "the disk is full" in removed.notes[0]
    assert len(lemonade.states) == 1
    lemonade.stand_in.answers = lambda _: None
    assert (await lemonade.remove()).removed == ("user.smol-k1",)
    assert lemonade.states == []


async def test_a_name_that_stands_for_something_else_by_now_is_left_alone(lemonade) -> None:
    await lemonade.create(1, 2)
    lemonade.stand_in.models["user.smol-k1"]["checkpoints"] = {"main": "org/smol-GGUF:Q4_1"}
    removed = await lemonade.remove()
    assert removed.removed == ("user.smol-k2",)
    assert removed.notes == ("user.smol-k1 stands for another model now and was left alone.",)
    assert "user.smol-k1" in lemonade.stand_in.models
    assert lemonade.states == []


async def test_local_files_are_registered_once_more_and_survive(lemonade) -> None:
    lemonade.stand_in.disk |= {"/srv/links/target.bin", "/srv/links/draft.bin"}
    lemonade.stand_in.add("user.local", "local_path", main="/srv/links/target.bin", draft="/srv/links/draft.bin")
    created = await lemonade.create(0, 2, model="local")
    assert created.names == {0: "local-k0", 2: "local-k2"}
    assert lemonade.stand_in.models["user.local-k0"]["checkpoints"] == {"main": "/srv/links/target.bin"}
    assert (await lemonade.remove("local")).removed == ("user.local-k0", "user.local-k2")
    assert "/srv/links/target.bin" in lemonade.stand_in.disk


async def test_a_local_file_that_lemonade_will_not_register_is_said_with_a_way_out(lemonade) -> None:
    lemonade.stand_in.disk |= {"/srv/models/smol.gguf"}
    lemonade.stand_in.add("extra.big", "extra_models_dir", main="/srv/models/smol.gguf")
    lemonade.stand_in.models["big"] = lemonade.stand_in.models.pop("extra.big")
    with pytest.raises(AliasError, match=r"refuses to register the file /srv/models/smol\.gguf.*make links"):
        await lemonade.create(0, 1, model="big", draft_args=DraftArgs("--spec-type ngram-mod --spec-draft-n-max {k}"))
    assert lemonade.states == []


async def test_a_model_that_is_not_here_is_not_downloaded(lemonade) -> None:
    lemonade.stand_in.add("user.far", "huggingface", main="org/far-GGUF:Q8_0", draft="org/draft-GGUF:Q4_0")
    with pytest.raises(AliasError, match="no files here yet; pull it in Lemonade first"):
        await lemonade.create(0, 1, model="far")


async def test_a_model_of_another_backend_is_refused(lemonade) -> None:
    lemonade.stand_in.models["user.smol"]["recipe"] = "flm"
    with pytest.raises(AliasError, match=r"runs with 'flm', not with llama\.cpp"):
        await lemonade.create(0, 1)


async def test_a_model_without_a_draft_is_refused_unless_the_user_says_how_to_do_without(lemonade) -> None:
    with pytest.raises(AliasError, match="no draft model"):
        await lemonade.create(0, 1, model="Built-in")
    own = DraftArgs("--spec-type ngram-mod --spec-ngram-mod-n-max {k}")
    created = await lemonade.create(0, 6, model="Built-in", draft_args=own)
    assert created.names == {0: "Built-in-k0", 6: "Built-in-k6"}
    assert lemonade.stand_in.loaded["user.Built-in-k6"][-2:] == ["--spec-ngram-mod-n-max", "6"]
    await lemonade.remove("Built-in")


async def test_a_model_that_drafts_for_itself_does_so_in_its_own_way(lemonade) -> None:
    lemonade.stand_in.options["Built-in"] = {"llamacpp_args": "--spec-type draft-mtp"}
    lemonade.stand_in.models["Built-in"]["labels"] = ["chat", "mtp"]
    await lemonade.create(0, 3, model="Built-in")
    assert lemonade.stand_in.loaded["user.Built-in-k3"][-4:] == ["--spec-type", "draft-mtp", "--spec-draft-n-max", "3"]
    assert "mtp" in lemonade.stand_in.models["user.Built-in-k3"]["labels"]


async def test_what_lemonade_adds_by_a_models_labels_is_its_own_way_too(lemonade) -> None:
    lemonade.stand_in.models["Built-in"]["labels"] = ["chat", "mtp"]
    await lemonade.create(0, 3, model="Built-in")
    assert lemonade.stand_in.loaded["user.Built-in-k0"][-2:] == ["--spec-type", "none"]
    assert lemonade.stand_in.loaded["user.Built-in-k3"][-4:] == ["--spec-type", "draft-mtp", "--spec-draft-n-max", "3"]


@pytest.mark.parametrize("taken", ["user.smol-k1", "smol-k1"])
async def test_a_name_that_is_taken_is_refused(lemonade, taken: str) -> None:
    lemonade.stand_in.add(taken, "huggingface", main="org/smol-GGUF:Q4_1")
    with pytest.raises(AliasError, match="has a model 'smol-k1' already"):
        await lemonade.create(0, 1)
    assert lemonade.stand_in.posted("/models/register") == []
    assert lemonade.states == []


async def test_a_model_that_does_not_load_undoes_it_all(lemonade) -> None:
    models = dict(lemonade.stand_in.models)
    with pytest.raises(AliasError, match=r"llama-server failed to start.*what was begun has been undone"):
        await lemonade.create(0, 1, draft_args=DraftArgs("--broken --spec-draft-n-max {k}"))
    assert lemonade.stand_in.models == models
    assert lemonade.stand_in.limit == 1
    assert lemonade.states == []


async def test_arguments_that_do_not_arrive_are_found_out(lemonade) -> None:
    def forget(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and request.url.path.endswith("smol-k1/options"):
            return httpx.Response(200, json={"effective": {"llamacpp_args": "--spec-type none"}})
        return None

    lemonade.stand_in.answers = forget
    with pytest.raises(AliasError, match=r"does not run user\.smol-k1 with '--spec-type draft-simple'.*undone"):
        await lemonade.create(0, 1)


async def test_a_backend_that_was_started_otherwise_is_found_out(lemonade) -> None:
    def lie(request: httpx.Request) -> None:
        for command in lemonade.stand_in.loaded.values():
            command += ["--spec-draft-n-max", "99"]

    lemonade.stand_in.answers = lie
    with pytest.raises(AliasError, match=r"does not run user\.smol-k1 with '--spec-draft-n-max 1'.*undone"):
        await lemonade.create(0, 1)


async def test_an_alias_that_was_displaced_meanwhile_is_found_out(lemonade) -> None:
    def narrow(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json={}) if request.url.path == "/internal/set" else None

    lemonade.stand_in.answers = narrow
    with pytest.raises(AliasError, match=r"user\.smol-k0 was unloaded again"):
        await lemonade.create(0, 1)


async def test_a_key_that_may_not_change_the_limit_changes_nothing(lemonade) -> None:
    lemonade.stand_in.answers = lambda request: (
        httpx.Response(401, json={"error": "Invalid or missing API key"})
        if request.url.path == "/internal/set"
        else None
    )
    with pytest.raises(AliasError, match=r"API key.*what was begun has been undone"):
        await lemonade.create(0, 1)
    assert set(lemonade.stand_in.models) == {"user.smol", "Built-in"}
    assert lemonade.states == []


async def test_loading_is_left_out_if_wanted(lemonade) -> None:
    created = await lemonade.create(0, 1, load=False)
    assert not created.loaded
    assert lemonade.stand_in.loaded == {}
