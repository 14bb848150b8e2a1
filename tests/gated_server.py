"""A server whose decoding goes on only as far as a test lets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from halospec_server.decoding.engine import exact_verifier
from halospec_server.decoding.sampling import Sampling
from halospec_server.http.app import ServerSettings
from halospec_server.verifiers.protocol import Verifier
from tiny_engines import Gate, Pair, open_engine
from tiny_server import COMPLETIONS, RunningServer, chat, eventually, serving


@contextmanager
def gated_server(
    pair: Pair, settings: ServerSettings | None = None, *, parallel: int = 1
) -> Iterator[tuple[RunningServer, Gate]]:
    """Serve an engine each of whose verdicts, one a sequence and pass, waits for the test."""
    gate = Gate()
    warm = False

    def make_verifier(sampling: Sampling, rng: np.random.Generator) -> Verifier:
        return gate.make_verifier(sampling, rng) if warm else exact_verifier(sampling, rng)

    engine = open_engine(pair, make_verifier=make_verifier, parallel=parallel)
    with serving(engine, settings or ServerSettings(draft_length=2)) as server, gate:
        warm = True
        yield server, gate


def let_through_until(gate: Gate, condition: Callable[[], bool]) -> None:
    """Let one verdict after another through until a condition holds."""

    def met() -> bool:
        if condition():
            return True
        gate.let_through(1)
        return False

    eventually(met)


def all_started(gate: Gate, requests: int) -> bool:
    """Whether so many requests have their first token."""
    return len(gate.verified) == requests and min(gate.verified) > 0


@contextmanager
def in_flight(server: RunningServer, *requests: dict[str, Any]) -> Iterator[list[Future[httpx.Response]]]:
    """Send requests one after another, greedy ones unless told otherwise, without waiting for the replies."""
    with server.client() as client, ThreadPoolExecutor(max_workers=len(requests)) as pool:
        futures = []
        for fields in requests:
            before = server.requests
            futures.append(pool.submit(client.post, COMPLETIONS, json=chat(**fields)))
            eventually(lambda before=before: server.requests == before + 1)  # type: ignore[misc]
        yield futures


def leave_without_a_reply(server: RunningServer, until: Callable[[], None], **fields: Any) -> None:
    """Send a request, and hang up when ``until`` returns; return when the server has let it go."""
    others = server.requests

    def hang_up(event: str, _info: object) -> None:
        if event == "http11.receive_response_headers.started":
            eventually(lambda: server.requests == others + 1)
            until()
            raise ConnectionAbortedError

    with server.client() as client, pytest.raises(ConnectionAbortedError):
        client.post(COMPLETIONS, json=chat(**fields), extensions={"trace": hang_up})
    eventually(lambda: server.requests == others)
