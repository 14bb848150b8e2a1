"""What a request may ask of the engine reaches it, and the reply says what was in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.http.app import ServerSettings
from halospec_server.model_files.choice import ModelFiles
from tiny_engines import Pair, open_engine
from tiny_models import FIRST_PIECE, PIECES
from tiny_server import COMPLETIONS, RunningServer, chat, serving


def ask(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def text_of(reply: dict[str, Any]) -> str:
    content: str = reply["choices"][0]["message"]["content"]
    return content


REPETITIVE = "ka ti mo ka ti mo ka ti mo"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("model", "model"),
        ("prompt_lookup", "prompt_lookup"),
        ("ngram", "prompt_lookup"),
        ("ngram_store", "ngram_store"),
    ],
)
def test_the_drafter_is_chosen_by_name_and_leaves_the_text_alone(client: httpx.Client, asked: str, named: str) -> None:
    reply = ask(client, chat(REPETITIVE, drafter=asked, max_tokens=40))
    assert reply["speculation"]["drafter"] == named
    assert reply["timings"]["draft_n"] > 0
    assert all(bool(r["draft_threads"]) == (named == "model") for r in reply["speculation"]["rounds"] if r["k"])
    assert text_of(reply) == text_of(ask(client, chat(REPETITIVE, draft_length=0, max_tokens=40)))


@pytest.mark.parametrize("off", [{"drafter": "none"}, {"draft_length": 0}, {"drafter": "none", "draft_length": "auto"}])
def test_without_a_drafter_nothing_is_in_force(client: httpx.Client, off: dict[str, Any]) -> None:
    reply = ask(client, chat(**off))
    speculation = reply["speculation"]
    assert (speculation["drafter"], speculation["draft_length"], speculation["length_policy"]) == ("none", 0, None)
    assert reply["timings"]["draft_n"] == 0


def test_a_drafter_that_is_not_loaded_is_refused_with_those_that_are(tiny_pair: Pair) -> None:
    engine = build_engine(ModelFiles(tiny_pair[0], None, "tiny"), EngineSettings(ctx_size=256, threads=1))
    with serving(engine) as server, server.client() as client:
        refused = client.post(COMPLETIONS, json=chat(drafter="model"))
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "drafter"
        assert "prompt_lookup" in refused.json()["error"]["message"]


@pytest.mark.parametrize("auto", [{"draft_length": "auto"}, {"length_policy": "heuristic"}])
def test_auto_leaves_the_length_to_a_policy_round_by_round(client: httpx.Client, auto: dict[str, Any]) -> None:
    reply = ask(client, chat(max_tokens=60, **auto))
    speculation = reply["speculation"]
    assert (speculation["draft_length"], speculation["length_policy"]) == (None, "heuristic")
    assert len({r["limit"] for r in speculation["rounds"]}) > 1
    assert text_of(reply) == text_of(ask(client, chat(max_tokens=60, draft_length=0)))


def test_a_server_may_choose_auto_for_requests_that_say_nothing(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair), ServerSettings(draft_length="auto")) as server, server.client() as client:
        assert ask(client, chat())["speculation"]["length_policy"] == "heuristic"
        assert ask(client, chat(draft_length=2))["speculation"]["length_policy"] is None


@pytest.mark.parametrize("asked", [{"draft_length": 0}, {"draft_length": 8}, {"draft_length": "auto"}, {}])
def test_a_server_with_a_pinned_draft_length_decodes_with_it_whatever_is_asked(
    tiny_pair: Pair, asked: dict[str, Any]
) -> None:
    settings = ServerSettings(pinned_draft_length=2)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        speculation = ask(client, chat(max_tokens=20, **asked))["speculation"]
    assert speculation["draft_length"] == 2
    assert max(r["k"] for r in speculation["rounds"]) == 2


def test_p_min_ends_drafts_early(tiny_pair: Pair, client: httpx.Client) -> None:
    bold, cautious = (ask(client, chat(draft_length=8, p_min=p_min, max_tokens=60)) for p_min in (0.0, 0.9))
    assert cautious["timings"]["draft_n"] < bold["timings"]["draft_n"]
    assert text_of(cautious) == text_of(bold)
    with serving(open_engine(tiny_pair), ServerSettings(draft_length=8, p_min=0.9)) as server, server.client() as other:
        assert ask(other, chat(max_tokens=60))["timings"]["draft_n"] == cautious["timings"]["draft_n"]


def test_threads_are_chosen_for_target_and_draft_apart(client: httpx.Client) -> None:
    rounds = ask(client, chat(threads=2, draft_threads=1, draft_length=2))["speculation"]["rounds"]
    assert {(r["threads"], r["draft_threads"]) for r in rounds if r["k"]} == {(2, 1)}
    rounds = ask(client, chat(draft_threads=2, draft_length=2))["speculation"]["rounds"]
    assert {(r["threads"], r["draft_threads"]) for r in rounds if r["k"]} == {(1, 2)}


def token(piece: str) -> int:
    return FIRST_PIECE + PIECES.index(piece)


def test_a_bias_brings_a_token_about_or_keeps_it_out(client: httpx.Client) -> None:
    assert text_of(ask(client, chat(logit_bias={str(token("▁mi")): 100}, max_tokens=5))) == " mi mi mi mi mi"
    usual = text_of(ask(client, chat(max_tokens=5)))
    first = next(piece for piece in PIECES if usual.startswith(piece.replace("▁", " ")))
    banned = text_of(ask(client, chat(logit_bias={str(token(first)): -100}, max_tokens=5)))
    assert not banned.startswith(first.replace("▁", " "))


def test_penalties_make_a_text_more_varied(client: httpx.Client) -> None:
    def variety(**penalty: Any) -> int:
        text = text_of(ask(client, chat(max_tokens=60, **penalty)))
        return len({text[i : i + 4] for i in range(len(text))})

    assert variety(frequency_penalty=2.0) > variety()
    assert variety(presence_penalty=2.0) > variety()


def test_the_narrowest_choice_is_the_greedy_one(client: httpx.Client) -> None:
    greedy = text_of(ask(client, chat()))
    assert text_of(ask(client, chat(temperature=2.0, top_k=1, seed=1))) == greedy
    assert text_of(ask(client, chat(temperature=2.0, min_p=1.0, seed=1))) == greedy
    for all_of_them in (0, -1, 10**6):
        free = text_of(ask(client, chat(temperature=1.0, top_k=all_of_them, seed=1)))
        assert free == text_of(ask(client, chat(temperature=1.0, seed=1)))


@pytest.fixture(scope="module")
def careful(tiny_pair: Pair) -> Iterator[RunningServer]:
    with serving(open_engine(tiny_pair), ServerSettings(draft_length=2, max_threads=1)) as server:
        yield server


def test_more_threads_than_the_server_may_use_are_refused(careful: RunningServer) -> None:
    with careful.client() as client:
        for name in ("threads", "draft_threads"):
            refused = client.post(COMPLETIONS, json=chat() | {name: 2})
            assert refused.status_code == 400
            assert refused.json()["error"]["param"] == name
            assert "at most 1" in refused.json()["error"]["message"]
