from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from halospec_server.decoding.engine import Engine
from plain_decoding import PlainDecoder
from tiny_engines import Pair, open_engine
from tiny_server import RunningServer, serving


@pytest.fixture(scope="session")
def model_engine(tiny_pair: Pair) -> Iterator[Engine]:
    """The tiny target with the tiny draft."""
    with closing(open_engine(tiny_pair, "model")) as engine:
        yield engine


@pytest.fixture(scope="session")
def alone(model_engine: Engine) -> Iterator[PlainDecoder]:
    """The tiny target, decoding by itself in another context."""
    with closing(PlainDecoder(model_engine.target.model)) as decoder:
        yield decoder


@pytest.fixture(scope="session")
def lookup_engine(tiny_pair: Pair) -> Iterator[Engine]:
    """The tiny target with prompt lookup."""
    with closing(open_engine(tiny_pair, "prompt_lookup")) as engine:
        yield engine


@pytest.fixture(scope="session", params=["model", "prompt_lookup"])
def engine(request: pytest.FixtureRequest, model_engine: Engine, lookup_engine: Engine) -> Engine:
    """The tiny target with each drafter in turn."""
    return {"model": model_engine, "prompt_lookup": lookup_engine}[request.param]


@pytest.fixture(scope="session")
def server(tiny_pair: Pair) -> Iterator[RunningServer]:
    """The tiny pair, served."""
    with serving(open_engine(tiny_pair)) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """A client of the served pair."""
    with server.client() as connected:
        yield connected
