"""Whole replies, promise by promise of docs/api.md."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from halospec_server.http.chat_template import CHATML, ChatTemplate
from tiny_engines import Pair, open_engine
from tiny_models import BOS
from tiny_server import COMPLETIONS, DRAFT_LENGTH, RunningServer, chat, serving


def ask(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def text_of(reply: dict[str, Any]) -> str:
    content: str = reply["choices"][0]["message"]["content"]
    return content


def test_a_reply_is_a_chat_completion(client: httpx.Client) -> None:
    reply = ask(client, chat())
    assert reply["object"] == "chat.completion"
    assert reply["id"].startswith("chatcmpl-")
    assert reply["model"] == "tiny"
    (choice,) = reply["choices"]
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "length"


def test_the_model_asked_for_is_echoed(client: httpx.Client) -> None:
    assert ask(client, chat(model="gpt-4"))["model"] == "gpt-4"


def test_usage_and_timings_count_the_same_tokens(client: httpx.Client) -> None:
    reply = ask(client, chat(max_tokens=24))
    usage, timings = reply["usage"], reply["timings"]
    assert usage["completion_tokens"] == timings["predicted_n"] == 24
    assert usage["prompt_tokens"] == timings["cache_n"] + timings["prompt_n"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": timings["cache_n"]}
    assert usage["total_tokens"] == usage["prompt_tokens"] + 24
    assert timings["prompt_n"] > 0
    assert timings["prompt_ms"] >= reply["speculation"]["draft_prompt_ms"] > 0
    assert timings["predicted_ms"] > 0


def test_a_prompt_whose_beginning_is_known_is_not_decoded_again(client: httpx.Client) -> None:
    body = chat("mo mo sa ti ka so mi", max_tokens=4)
    first, again = ask(client, body | {"cache_prompt": False}), ask(client, body)
    assert (first["timings"]["cache_n"], again["timings"]["prompt_n"]) == (0, 1), "one token must give the logits"
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == first["usage"]["prompt_tokens"] - 1
    assert text_of(again) == text_of(first)


def test_the_rounds_add_up(client: httpx.Client) -> None:
    reply = ask(client, chat(draft_length=4))
    timings, speculation = reply["timings"], reply["speculation"]
    rounds = speculation["rounds"]
    assert timings["draft_n"] == sum(r["k"] for r in rounds) > 0
    assert timings["draft_n_accepted"] == sum(r["accepted"] for r in rounds)
    assert timings["predicted_n"] == 1 + sum(r["accepted"] + 1 for r in rounds)
    assert all(0 <= r["accepted"] <= r["k"] <= 4 for r in rounds)
    assert all(r["draft_us"] > 0 and r["verify_us"] > 0 and r["sample_us"] >= 0 for r in rounds if r["k"])
    assert all(r["limit"] == 4 and r["catch_up_us"] <= r["draft_us"] for r in rounds)
    assert all((r["choice"], r["sequences"], r["width"], r["threads"]) == (0, 1, r["k"] + 1, 1) for r in rounds)
    spent_us = sum(r["draft_us"] + r["verify_us"] + r["sample_us"] for r in rounds)
    assert timings["predicted_ms"] >= spent_us / 1e3 - 0.01, "the clock runs between rounds, too"


def test_tokens_after_a_stop_in_the_last_round_are_not_counted(client: httpx.Client) -> None:
    whole = text_of(ask(client, chat(max_tokens=40)))
    uncounted = 0
    for stop in {whole[i : i + 3] for i in range(0, 40, 5)}:
        reply = ask(client, chat(max_tokens=40, stop=stop, draft_length=8))
        yields = [1, *(r["accepted"] + 1 for r in reply["speculation"]["rounds"])]
        assert sum(yields[:-1]) < reply["timings"]["predicted_n"] <= sum(yields)
        uncounted += sum(yields) - reply["timings"]["predicted_n"]
    assert uncounted > 0, "none of these stops was inside a round"


@pytest.mark.parametrize("draft_length", [0, 1, 2, 8, 16])
def test_the_draft_length_of_the_request_is_in_force_and_leaves_the_text_alone(
    client: httpx.Client, draft_length: int
) -> None:
    reply = ask(client, chat(draft_length=draft_length))
    assert reply["speculation"]["draft_length"] == draft_length
    assert max(r["k"] for r in reply["speculation"]["rounds"]) == draft_length
    assert text_of(reply) == text_of(ask(client, chat(draft_length=0)))


def test_without_speculation_nothing_is_drafted_and_the_counts_are_there(client: httpx.Client) -> None:
    reply = ask(client, chat(draft_length=0, max_tokens=10))
    assert reply["timings"]["draft_n"] == reply["timings"]["draft_n_accepted"] == 0
    assert [(r["k"], r["accepted"]) for r in reply["speculation"]["rounds"]] == [(0, 0)] * 9


def test_a_request_that_names_no_draft_length_gets_the_servers(client: httpx.Client) -> None:
    speculation = ask(client, chat())["speculation"]
    assert speculation["draft_length"] == DRAFT_LENGTH
    assert speculation["drafter"] == "model"


def test_fields_nobody_knows_are_ignored(client: httpx.Client) -> None:
    assert text_of(ask(client, chat(user="me", metadata={}, keep_alive="5m"))) == text_of(ask(client, chat()))


def test_what_is_not_offered_may_be_named_if_it_changes_nothing(client: httpx.Client) -> None:
    indifferent: dict[str, Any] = {"n": 1, "logprobs": False, "tools": [], "grammar": "", "logit_bias": None}
    indifferent["response_format"] = {"type": "text"}
    assert text_of(ask(client, chat(**indifferent))) == text_of(ask(client, chat()))


def test_the_newer_name_of_the_token_limit_wins(client: httpx.Client) -> None:
    assert ask(client, chat(max_tokens=9, max_completion_tokens=5))["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("limit", [None, 100_000])
def test_the_context_is_the_limit_where_there_is_no_smaller_one(server: RunningServer, limit: int | None) -> None:
    with server.client() as client:
        reply = ask(client, chat(max_tokens=limit))
    assert reply["usage"]["total_tokens"] == server.engine.target.n_ctx
    assert reply["choices"][0]["finish_reason"] == "length"


def test_content_may_come_in_parts(client: httpx.Client) -> None:
    parts = [{"type": "text", "text": "ka "}, {"type": "text", "text": "ti mo"}]
    in_parts = ask(client, chat() | {"messages": [{"role": "user", "content": parts}]})
    whole = ask(client, chat("ka ti mo"))
    assert text_of(in_parts) == text_of(whole)
    assert in_parts["usage"] == whole["usage"]


def test_stop_strings_end_the_text_before_the_first_of_them(client: httpx.Client) -> None:
    whole = text_of(ask(client, chat(max_tokens=40)))
    later, first = whole[20:24], whole[9:12]
    reply = ask(client, chat(max_tokens=40, stop=[later, first, "never", ""]))
    assert text_of(reply) == whole[: min(whole.index(later), whole.index(first))]
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["completion_tokens"] < 40
    assert text_of(ask(client, chat(max_tokens=40, stop=first))) == whole[: whole.index(first)]
    assert text_of(ask(client, chat(max_tokens=40, stop="never"))) == whole


def test_equal_seeds_repeat_a_text_and_others_do_not(client: httpx.Client) -> None:
    def written(seed: int) -> str:
        return text_of(ask(client, chat(temperature=1.0, top_p=0.9, seed=seed)))

    seeds = (-(2**63), -1, 0, 1, 2, 2**63 - 1)
    texts = [written(seed) for seed in seeds]
    assert [written(seed) for seed in seeds] == texts
    assert len(set(texts)) == len(seeds)


def test_without_a_seed_texts_differ(client: httpx.Client) -> None:
    assert len({text_of(ask(client, chat(temperature=1.0))) for _ in range(5)}) > 1


def test_ends_end_the_text_unless_they_are_ignored(client: httpx.Client) -> None:
    ended = next(
        reply
        for seed in range(200)
        if (reply := ask(client, chat(temperature=1.0, seed=seed, max_tokens=60, ignore_eos=False)))
        and reply["choices"][0]["finish_reason"] == "stop"
    )
    assert ended["usage"]["completion_tokens"] < 60
    assert "<" not in text_of(ended), "an end token adds no text"
    for seed in range(30):
        reply = ask(client, chat(temperature=1.0, seed=seed, max_tokens=60))
        assert reply["usage"]["completion_tokens"] == 60
        assert reply["choices"][0]["finish_reason"] == "length"


def test_a_single_token_needs_no_round(client: httpx.Client) -> None:
    reply = ask(client, chat(max_tokens=1))
    assert reply["speculation"]["rounds"] == []
    assert reply["timings"]["predicted_ms"] == 0
    assert reply["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize("source", [CHATML, "{{ bos_token }}" + CHATML])
def test_the_bos_token_is_there_once_whether_the_template_writes_it_or_not(tiny_pair: Pair, source: str) -> None:
    engine = open_engine(tiny_pair)
    rendered = "<|im_start|>user\nka<|im_end|>\n<|im_start|>assistant\n"
    expected = [BOS, *engine.target.model.tokenize(rendered, add_bos=False)]
    with serving(engine, template=ChatTemplate(source, bos="<s>", eos="</s>")) as server, server.client() as client:
        assert ask(client, chat("ka"))["usage"]["prompt_tokens"] == len(expected)


def test_models_says_what_is_loaded(server: RunningServer, client: httpx.Client) -> None:
    (card,) = client.get("/v1/models").json()["data"]
    assert (card["id"], card["object"], card["owned_by"]) == ("tiny", "model", "halospec")
    assert card["meta"]["target"]["file"] == "target.gguf"
    assert card["meta"]["drafters"] == ["model", "prompt_lookup", "ngram_store", "none"]
    assert card["meta"]["ctx_size"] == server.engine.target.n_ctx
    assert (card["meta"]["parallel"], card["meta"]["draft_length"]) == (1, DRAFT_LENGTH)


def test_slots_says_what_the_caches_hold(client: httpx.Client) -> None:
    reply = ask(client, chat(max_tokens=5))
    (slot,) = client.get("/slots").json()
    assert (slot["id"], slot["is_processing"]) == (0, False)
    assert slot["target_tokens"] == slot["target_cells"] == reply["usage"]["total_tokens"] - 1
    assert slot["draft_tokens"] == slot["draft_cells"]


def test_health_is_ok(client: httpx.Client) -> None:
    response = client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
