"""The bare loop writes what the target alone would write, one text or several at once, whatever the draft length."""

from __future__ import annotations

import pytest

from bare_loop import BareLoop
from engine_peers.loop_protocol import LoopRequest, LoopText
from tiny_engines import Pair
from tiny_models import write_tiny_pair

PROMPTS = ("ka mo ti", "so ka", "mi mi mo ta ki")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_tiny_pair(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loop(pair: Pair) -> BareLoop:
    target, draft = pair
    return BareLoop(target, draft, sequences=3, positions=128, threads=1)


def write(loop: BareLoop, *prompts: str, k: int, tokens: int = 24) -> tuple[LoopText, ...]:
    return loop.write(LoopRequest(prompts=prompts, draft_length=k, tokens=tokens)).texts


@pytest.mark.parametrize("k", [1, 2, 5, 8])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_speculation_does_not_change_the_text(loop: BareLoop, prompt: str, k: int) -> None:
    (plain,), (drafted,) = write(loop, prompt, k=0), write(loop, prompt, k=k)
    assert drafted.text == plain.text
    assert 0 < drafted.accepted <= drafted.drafted


@pytest.mark.parametrize("k", [0, 4])
def test_texts_that_are_written_together_are_the_same_as_alone(loop: BareLoop, k: int) -> None:
    together = write(loop, *PROMPTS, k=k)
    assert [text.text for text in together] == [write(loop, prompt, k=k)[0].text for prompt in PROMPTS]


@pytest.mark.parametrize(("k", "tokens"), [(0, 1), (0, 9), (4, 1), (4, 2), (4, 9), (8, 24)])
def test_a_text_has_exactly_the_tokens_that_were_asked_for(loop: BareLoop, k: int, tokens: int) -> None:
    (text,) = write(loop, PROMPTS[0], k=k, tokens=tokens)
    assert text.tokens == tokens


def test_a_draft_that_is_the_target_itself_is_always_right(pair: Pair) -> None:
    target, _ = pair
    twins = BareLoop(target, target, sequences=2, positions=128, threads=1)
    for text in write(twins, *PROMPTS[:2], k=4, tokens=40):
        assert text.accepted == text.drafted > 0


def test_times_are_in_order_and_the_passes_within_the_whole(loop: BareLoop) -> None:
    reply = loop.write(LoopRequest(prompts=PROMPTS, draft_length=2, tokens=8))
    assert all(0 < text.first_token_ms <= text.ended_ms <= reply.wall_ms for text in reply.texts)
    assert 0 < reply.decode_ms < reply.rounds_ms < reply.wall_ms
    assert 0 < reply.outside_decode < 1
