"""From spellings to knobs, and which of them a probe tries."""

from __future__ import annotations

import httpx
import pytest

from halospec.clock import start_clock
from halospec.endpoints.api import ServerApi
from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.naming import Surroundings, candidate_knobs, knob_named
from halospec.knobs.restart import Restart, ServerCommand
from halospec.knobs.types import KnobKind

ALIASES = ("smol", "smol-k0", "smol-k1", "smol-k8")


@pytest.fixture
def around():
    """Describe a server that is known for nothing but what a test names; none is asked anything here."""
    api = ServerApi(httpx.AsyncClient(), "http://nowhere/v1")

    def make(**facts):
        return Surroundings(**{"model": "smol", "models": ("smol",), "api": api, "clock": start_clock(), **facts})

    return make


@pytest.fixture
def restart(tmp_path):
    command = ServerCommand.parse("serve --port {port} {draft_args}", draft_args=DraftArgs("{k}", ""))
    return Restart(command, start_clock(), tmp_path / "log")


def names(knobs):
    return [knob.name for knob in knobs]


@pytest.mark.parametrize(
    ("spelling", "kind", "per_request"),
    [
        ("draft_length", KnobKind.REQUEST_FIELD, True),
        ("speculative.n_max", KnobKind.REQUEST_FIELD, True),
        ("$.speculative.n_max", KnobKind.REQUEST_FIELD, True),
        ("field:n_draft", KnobKind.REQUEST_FIELD, True),
        ("alias:smol-k{k}", KnobKind.MODEL_ALIAS, True),
        ("reload", KnobKind.RELOAD, False),
        ("restart", KnobKind.RESTART, False),
        ("none", KnobKind.NONE, True),
    ],
)
def test_a_knob_has_the_name_that_it_is_spelled_by(around, restart, spelling, kind, per_request):
    knob = knob_named(spelling, around(models=ALIASES, can_reload=True, restart=restart))
    assert (knob.name, knob.kind, knob.per_request) == (spelling, kind, per_request)


@pytest.mark.parametrize(
    ("spelling", "model", "models"),
    [
        ("alias", "smol", ALIASES),
        ("alias:{model}-k{k}", "smol", ALIASES),
        ("alias", "smol-k8", ALIASES),
        ("alias", "user.smol", ALIASES),
        ("alias", "user.smol", tuple(f"user.{name}" for name in ALIASES)),
    ],
)
def test_aliases_are_found_by_the_models_name(around, spelling, model, models):
    knob = knob_named(spelling, around(model=model, models=models))
    assert knob.lengths == {0, 1, 8}
    assert knob.request_change(8).model in models


@pytest.mark.parametrize("model", ["org/smol-GGUF:Q4_1", "org/smol-GGUF-Q4_1-k8"])
def test_on_a_router_they_are_found_although_a_colon_cannot_be_in_their_names(around, model):
    models = ("org/smol-GGUF:Q4_1", "org/smol-GGUF-Q4_1-k0", "org/smol-GGUF-Q4_1-k8")
    knob = knob_named("alias", around(model=model, models=models, is_router=True))
    assert knob.name == "alias:org/smol-GGUF-Q4_1-k{k}"


@pytest.mark.parametrize("prefix", ["user.", "extra.", "builtin."])
def test_on_lemonade_they_are_found_wherever_the_model_comes_from(around, prefix):
    knob = knob_named("alias", around(model=f"{prefix}smol", models=(f"{prefix}smol", *ALIASES[1:]), can_reload=True))
    assert knob.name == "alias:smol-k{k}"


@pytest.mark.parametrize(
    ("spelling", "problem"),
    [
        ("draft", r"no knob 'draft'; there are draft_length, .*alias:TEMPLATE, reload, restart, none"),
        ("", "no knob ''"),
        ("reload", r"only Lemonade is known; give the server's command line with --server-command"),
        ("restart", r"give it with --server-command"),
        ("alias", r"no model smol-k0.*`halospec aliases create`"),
        ("alias:smol", r"holds no \{k\}"),
        ("$.messages", "cannot be sent as 'messages'"),
    ],
)
def test_a_knob_that_is_not_to_be_had_is_refused_with_what_to_do(around, spelling, problem):
    with pytest.raises(ValueError, match=problem):
        knob_named(spelling, around())


async def test_no_knob_changes_nothing(around):
    knob = knob_named("none", around())
    change = knob.request_change(4)
    assert (change.model, dict(change.fields)) == (None, {})
    assert await knob.switch_to(4) is None


class TestCandidates:
    def test_they_are_the_fields_of_the_kind_in_their_order(self, around):
        fields = ("speculative.n_max", "draft_length")
        assert names(candidate_knobs(around(request_fields=fields)).knobs) == list(fields)

    def test_aliases_come_after_the_fields_where_they_are_but_names(self, around):
        found = candidate_knobs(around(models=ALIASES, request_fields=("draft_length",)))
        assert names(found.knobs) == ["draft_length", "alias:smol-k{k}"]

    @pytest.mark.parametrize("fact", ["is_router", "can_reload"])
    def test_aliases_come_first_on_a_server_that_loads_models_by_name(self, around, fact):
        found = candidate_knobs(around(models=ALIASES, request_fields=("draft_length",), **{fact: True}))
        assert names(found.knobs) == ["alias:smol-k{k}", "draft_length"]

    def test_one_alias_is_no_knob(self, around):
        found = candidate_knobs(around(models=("smol", "smol-k4"), request_fields=("draft_length",)))
        assert names(found.knobs) == ["draft_length"]

    def test_a_server_started_by_a_command_is_restarted_first(self, around, restart):
        found = candidate_knobs(around(models=ALIASES, request_fields=("draft_length",), restart=restart))
        assert names(found.knobs) == ["restart", "draft_length", "alias:smol-k{k}"]
        assert found.knobs[0] is restart

    def test_with_nothing_to_turn_there_is_the_knob_that_is_none(self, around):
        assert names(candidate_knobs(around()).knobs) == ["none"]

    def test_what_would_load_a_users_model_anew_is_named_and_not_tried(self, around):
        found = candidate_knobs(around(models=ALIASES, can_reload=True))
        assert [untried.knob for untried in found.untried] == ["reload"]
        assert "--knob reload" in found.untried[0].reason

    @pytest.mark.parametrize("fact", ["is_router", "can_reload"])
    def test_a_server_that_could_have_aliases_is_said_to(self, around, fact):
        found = candidate_knobs(around(**{fact: True}))
        assert found.untried[0].knob == "alias"
        assert "`halospec aliases create`" in found.untried[0].reason
