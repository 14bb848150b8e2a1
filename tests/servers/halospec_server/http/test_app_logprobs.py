"""Log probabilities in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tiny_server import COMPLETIONS, chat, stream


def content_of(client: httpx.Client, body: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return a reply's text and the log probabilities of its tokens."""
    response = client.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    return choice["message"]["content"], choice["logprobs"]["content"]


def spelt(tokens: list[dict[str, Any]]) -> str:
    return bytes(byte for token in tokens for byte in token["bytes"] or ()).decode()


def test_without_being_asked_for_there_are_none(client: httpx.Client) -> None:
    assert client.post(COMPLETIONS, json=chat()).json()["choices"][0]["logprobs"] is None
    chunks = stream(client, chat()).chunks
    assert not any("logprobs" in choice for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize("draft_length", [0, 4])
def test_there_is_one_for_each_token_and_they_spell_the_text(client: httpx.Client, draft_length: int) -> None:
    text, tokens = content_of(client, chat(logprobs=True, draft_length=draft_length))
    assert len(tokens) == 24
    assert spelt(tokens) == text == "".join(token["token"] for token in tokens)
    assert all(token["logprob"] < 0 and token["top_logprobs"] == [] for token in tokens)


@pytest.mark.parametrize("draft_length", [0, 4])
def test_of_a_greedy_text_every_token_is_the_likeliest(client: httpx.Client, draft_length: int) -> None:
    _, tokens = content_of(client, chat(logprobs=True, top_logprobs=3, draft_length=draft_length))
    for token in tokens:
        alternatives = token["top_logprobs"]
        assert {key: token[key] for key in ("token", "logprob", "bytes")} == alternatives[0]
        assert [each["logprob"] for each in alternatives] == sorted((e["logprob"] for e in alternatives), reverse=True)
        assert len(alternatives) == 3


def test_they_are_the_models_own_whatever_shapes_the_choice(client: httpx.Client) -> None:
    _, plain = content_of(client, chat(logprobs=True, top_logprobs=5, max_tokens=1))
    _, shaped = content_of(
        client, chat(logprobs=True, top_logprobs=5, max_tokens=1, temperature=2.0, seed=1, logit_bias={"270": 30})
    )
    assert shaped[0]["top_logprobs"] == plain[0]["top_logprobs"]


@pytest.mark.parametrize("draft_length", [0, 4])
def test_each_chunk_carries_those_of_its_tokens(client: httpx.Client, draft_length: int) -> None:
    body = chat(logprobs=True, top_logprobs=2, draft_length=draft_length)
    streamed = [choice for chunk in stream(client, body).chunks for choice in chunk["choices"]]
    for choice in streamed:
        if choice["delta"].get("content"):
            assert spelt(choice["logprobs"]["content"]) == choice["delta"]["content"]
    tokens = [token for choice in streamed if "logprobs" in choice for token in choice["logprobs"]["content"]]
    assert [(token["token"], len(token["top_logprobs"])) for token in tokens] == [
        (token["token"], 2) for token in content_of(client, body)[1]
    ]


def test_tokens_of_a_stop_string_are_not_told(client: httpx.Client) -> None:
    whole, _ = content_of(client, chat(logprobs=True, max_tokens=40))
    stop = whole[20:26]
    text, tokens = content_of(client, chat(logprobs=True, max_tokens=40, stop=stop))
    assert text == whole[: whole.index(stop)]
    assert spelt(tokens).startswith(text)
    assert not spelt(tokens[:-1]).startswith(text), "the last one begins in the text"


def test_an_end_token_has_a_name_and_no_bytes(client: httpx.Client) -> None:
    for seed in range(200):
        body = chat(logprobs=True, temperature=1.0, seed=seed, max_tokens=60, ignore_eos=False)
        reply = client.post(COMPLETIONS, json=body).json()
        (choice,) = reply["choices"]
        if choice["finish_reason"] == "stop":
            last = choice["logprobs"]["content"][-1]
            assert last["token"] in ("</s>", "<|im_end|>")
            assert last["bytes"] is None
            assert len(choice["logprobs"]["content"]) == reply["usage"]["completion_tokens"]
            return
    pytest.fail("none of these texts ended by itself")


@pytest.mark.parametrize("streamed", [False, True])
def test_choices_have_their_own(client: httpx.Client, streamed: bool) -> None:
    body = chat(logprobs=True, n=2, temperature=1.0, seed=3)
    if streamed:
        texts, tokens = ["", ""], [[], []]  # type: ignore[var-annotated]
        for choice in (choice for chunk in stream(client, body).chunks for choice in chunk["choices"]):
            texts[choice["index"]] += choice["delta"].get("content", "")
            tokens[choice["index"]] += choice.get("logprobs", {}).get("content", [])
        assert [spelt(each) for each in tokens] == texts
    else:
        choices = client.post(COMPLETIONS, json=body).json()["choices"]
        assert [spelt(c["logprobs"]["content"]) for c in choices] == [c["message"]["content"] for c in choices]
        assert choices[0]["logprobs"] != choices[1]["logprobs"]
