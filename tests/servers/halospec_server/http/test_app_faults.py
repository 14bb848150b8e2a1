"""A fault in the engine is one request's misfortune: told in OpenAI's shape, and no more than that."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest

from halospec_server.decoding.engine import exact_verifier
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.protocol import Draft
from halospec_server.llama import LlamaError, Logits
from halospec_server.verifiers.protocol import Verdict, Verifier
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, serving, stream

SECRET = "llama_decode failed with status -3 at position 41"  # what the log keeps to itself


@dataclass
class FailsAfter:
    """A verifier that fails once, after some passes."""

    inner: Verifier
    passes: int

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        if self.passes == 0:
            raise LlamaError(SECRET)
        self.passes -= 1
        return self.inner.verify(draft, rows)


@dataclass
class Faults:
    """What is to go wrong: for each coming request, the passes that go well before one fails."""

    planned: list[int] = field(default_factory=list)

    def make_verifier(self, sampling: Sampling, rng: np.random.Generator) -> Verifier:
        exact = exact_verifier(sampling, rng)
        return FailsAfter(exact, self.planned.pop(0)) if self.planned else exact


@pytest.fixture(scope="module")
def served(tiny_pair: Pair) -> Iterator[tuple[Faults, httpx.Client]]:
    faults = Faults()
    with serving(open_engine(tiny_pair, make_verifier=faults.make_verifier)) as server, server.client() as client:
        yield faults, client


@pytest.mark.parametrize("passes", [0, 1, 5])
def test_a_whole_reply_becomes_a_500(
    served: tuple[Faults, httpx.Client], passes: int, caplog: pytest.LogCaptureFixture
) -> None:
    faults, client = served
    faults.planned = [passes]
    with caplog.at_level(logging.ERROR):
        response = client.post(COMPLETIONS, json=chat())
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    assert "log says why" in response.json()["error"]["message"]
    assert SECRET not in response.text
    assert caplog.text.count(SECRET) == 1, "it is logged once"


@pytest.mark.parametrize("passes", [1, 5])
def test_a_stream_ends_with_an_error_and_without_done(served: tuple[Faults, httpx.Client], passes: int) -> None:
    faults, client = served
    faults.planned = [passes]
    reply = stream(client, chat())
    assert len(reply.contents) == passes
    assert list(json.loads(reply.data[-1])) == ["error"]
    assert json.loads(reply.data[-1])["error"]["type"] == "server_error"
    assert "[DONE]" not in reply.data
    assert not any(SECRET in data for data in reply.data)


def test_a_stream_that_has_not_begun_becomes_a_500_like_any_reply(served: tuple[Faults, httpx.Client]) -> None:
    faults, client = served
    faults.planned = [0]
    response = client.post(COMPLETIONS, json=chat(stream=True))
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"


def test_the_next_request_is_served_as_if_nothing_had_happened(served: tuple[Faults, httpx.Client]) -> None:
    faults, client = served
    undisturbed = client.post(COMPLETIONS, json=chat()).json()["choices"]
    for passes in (0, 1, 2, 5):
        faults.planned = [passes]
        assert client.post(COMPLETIONS, json=chat("so sa")).status_code == 500
        assert client.post(COMPLETIONS, json=chat()).json()["choices"] == undisturbed
