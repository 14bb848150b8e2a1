"""What `benchmarks/soak_requests.py` draws."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from pydantic import ValidationError

import soak_requests as requests
from halospec_server.http.chat_request import ChatCompletionRequest


def drawn(seed: int, number: int) -> list[object]:
    rng = random.Random(seed)
    return [requests.draw_call(rng) for _ in range(number)]


def test_the_same_seed_draws_the_same_calls() -> None:
    assert drawn(seed=5, number=100) == drawn(seed=5, number=100)
    assert drawn(seed=5, number=100) != drawn(seed=6, number=100)


def test_every_well_formed_completion_is_one_the_server_understands() -> None:
    completions = [
        call
        for call in drawn(seed=1, number=1000)
        if 200 in call.statuses and call.method == "POST"  # type: ignore[attr-defined]
    ]
    assert completions
    for call in completions:
        body = ChatCompletionRequest.model_validate_json(call.content)  # type: ignore[attr-defined]
        assert (body.n or 1) == call.choices  # type: ignore[attr-defined]
        assert bool(body.stream) == call.stream  # type: ignore[attr-defined]
        assert body.token_limit == call.max_tokens  # type: ignore[attr-defined]


def test_every_draft_length_and_drafter_is_drawn() -> None:
    bodies = [json.loads(call.content) for call in drawn(seed=2, number=2000) if call.kind == "stream"]  # type: ignore[attr-defined]
    assert {body.get("draft_length") for body in bodies} == {*range(17), "auto", None}
    assert {body.get("drafter") for body in bodies} == {*requests.DRAFTERS, None}


def test_all_that_a_client_can_do_is_drawn() -> None:
    kinds = Counter(call.kind for call in drawn(seed=3, number=2000))  # type: ignore[attr-defined]
    for kind in ("whole reply", "stream", "slow reader", "left mid-stream", "left early", "deadline", "GET"):
        assert kinds[kind] > 20
    assert sum(count for kind, count in kinds.items() if kind.startswith("malformed")) > 200


def test_what_is_called_malformed_is_none_of_the_servers_requests() -> None:
    refused = [call for call in requests.MALFORMED if call.statuses == {400}]
    for call in refused:
        if call.kind.removeprefix("malformed: ") in ("unknown name", "prompt too long", "out of range"):
            continue  # well-formed, but for this server's own limits
        with pytest.raises((ValidationError, ValueError)):
            ChatCompletionRequest.model_validate_json(call.content)


def test_bodies_stay_within_the_limit_unless_they_are_meant_to_break_it() -> None:
    for call in requests.MALFORMED:
        assert (len(call.content) > requests.MAX_BODY_BYTES) == (call.statuses == {413})
