"""The server's OpenAPI description is true: generated requests, good and bad, get what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from halospec_server.http.chat_template import CHATML, ChatTemplate
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, serving

KNOWN_ONLY_TO_THE_SERVER = ("messages", "logit_bias", "threads", "draft_threads", "length_policy", "top_logprobs")
"""What JSON Schema cannot tell: how many tokens a prompt has and how many there are, how many threads the server may
use, that one field excludes or needs another."""


@pytest.fixture(scope="module")
def described(tiny_pair: Pair) -> Iterator[str]:
    """The URL of a server whose template takes any role."""
    engine = open_engine(tiny_pair, parallel=4)
    with serving(engine, template=ChatTemplate(CHATML, bos="<s>", eos="</s>")) as server:
        yield server.url


generously = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def completions_of(described: str) -> schemathesis.APIOperation[Any, Any, Any, Any]:
    return schemathesis.openapi.from_url(f"{described}/openapi.json")[COMPLETIONS]["POST"]


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/slots", "/metrics"])
def test_questions_are_answered_as_promised(described: str, path: str) -> None:
    description = schemathesis.openapi.from_url(f"{described}/openapi.json")

    @given(case=description[path]["GET"].as_strategy())
    @settings(generously, max_examples=2)
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    ask()


@pytest.mark.parametrize("streamed", [False, True])
def test_good_requests_are_met_as_promised(described: str, streamed: bool) -> None:
    statuses = set()

    @given(case=completions_of(described).as_strategy(GenerationMode.POSITIVE))
    @generously
    def ask(case: schemathesis.Case[Any]) -> None:
        assert isinstance(case.body, dict)
        case.body["stream"] = streamed
        # One of a few milliseconds is kept or missed, as it happens.
        case.body.pop("deadline_ms", None)
        response = case.call()
        case.validate_response(response, excluded_checks=[positive_data_acceptance])
        statuses.add(response.status_code)
        if response.status_code == 400:
            error = response.json()["error"]
            assert (error["param"] or error["message"]).startswith(KNOWN_ONLY_TO_THE_SERVER), error
        else:
            assert response.status_code == 200

    ask()
    assert 200 in statuses


def test_bad_requests_are_refused_as_promised(described: str) -> None:
    @given(case=completions_of(described).as_strategy(GenerationMode.NEGATIVE))
    @generously
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    ask()


def test_every_status_it_may_send_is_in_it_and_no_other(client: httpx.Client) -> None:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    completions = paths[COMPLETIONS]["post"]["responses"]
    assert sorted(completions) == ["200", "400", "401", "408", "413", "415", "429", "500", "503", "504"]
    assert sorted(completions["200"]["content"]) == ["application/json", "text/event-stream"]
    for status, response in completions.items():
        if status != "200":
            assert response["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse")
        assert ("Retry-After" in response.get("headers", {})) == (status in ("429", "503"))
