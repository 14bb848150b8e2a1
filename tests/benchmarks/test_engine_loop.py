"""The engine, driven without a server: it writes what the bare loop writes, and its passes are timed."""

from __future__ import annotations

from collections.abc import Iterator

import llama_cpp as capi
import pytest

from bare_loop import BareLoop
from engine_loop import DecodeClock, EngineLoop
from engine_peers.loop_protocol import LoopRequest
from tiny_engines import Pair, open_engine
from tiny_models import write_tiny_pair

PROMPTS = ("ka mo ti", "so ka")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_tiny_pair(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loop(pair: Pair) -> Iterator[EngineLoop]:
    engine, clock = open_engine(pair, parallel=2), DecodeClock()
    with clock.running():
        yield EngineLoop(engine, clock)
    engine.close()


@pytest.mark.parametrize("k", [0, 3])
def test_writes_the_texts_of_the_bare_loop(loop: EngineLoop, pair: Pair, k: int) -> None:
    target, draft = pair
    bare = BareLoop(target, draft, sequences=2, positions=128, threads=1)
    request = LoopRequest(prompts=PROMPTS, draft_length=k, tokens=20)
    ours, theirs = loop.write(request).texts, bare.write(request).texts
    assert [(text.text, text.tokens, text.prompt_tokens) for text in ours] == [
        (text.text, text.tokens, text.prompt_tokens) for text in theirs
    ]
    assert all(0 <= text.accepted <= text.drafted for text in ours)


@pytest.mark.parametrize("k", [0, 3])
def test_rounds_are_timed_and_so_is_what_they_spend_in_passes(loop: EngineLoop, k: int) -> None:
    reply = loop.write(LoopRequest(prompts=PROMPTS, draft_length=k, tokens=12))
    assert 0 < reply.decode_ms < reply.rounds_ms < reply.wall_ms
    assert reply.rounds == 11 if k == 0 else 0 < reply.rounds <= 11
    assert all(0 < text.first_token_ms < text.ended_ms <= reply.wall_ms for text in reply.texts)


def test_the_functions_that_are_timed_are_put_back() -> None:
    before = capi.llama_decode
    with DecodeClock().running():
        assert capi.llama_decode is not before
    assert capi.llama_decode is before
