"""What is in the cache already is not decoded again, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation, Prefill, Round
from halospec_server.drafters.model import ModelDrafter
from plain_decoding import PlainDecoder
from tiny_engines import Pair, greedy, open_engine, prompt_of, tokens_of
from tiny_models import FIRST_PIECE

SYSTEM = prompt_of("ka ti mo so sa ta ki mi ko ka ka ti to sa so ki ka to mi sa ti")
HELLO, BYE = prompt_of("ka mo")[1:], prompt_of("sa to ki")[1:]


@pytest.fixture
def engine(tiny_pair: Pair) -> Iterator[Engine]:
    with closing(open_engine(tiny_pair, parallel=3)) as opened:
        yield opened


def cached(engine: Engine, generation: Generation) -> int:
    first, *_ = engine.generate(generation)
    assert isinstance(first.cost, Prefill)
    return first.cost.cached


def test_a_repeated_prompt_is_cached_but_for_its_last_token(engine: Engine) -> None:
    prompt = SYSTEM + HELLO
    assert cached(engine, greedy(prompt, 10, 2)) == 0
    assert cached(engine, greedy(prompt, 10, 2)) == len(prompt) - 1


def test_a_conversation_goes_on_where_it_was(engine: Engine) -> None:
    first = greedy(SYSTEM + HELLO, 10, 3)
    reply = tokens_of(list(engine.generate(first)))
    then = (*first.prompt, *reply, *BYE)
    # The reply's last token was never an input, so it is not in the cache.
    assert cached(engine, greedy(then, 10, 3)) == len(first.prompt) + len(reply) - 1


def test_prompts_that_begin_alike_share_the_beginning(engine: Engine) -> None:
    assert cached(engine, greedy(SYSTEM + HELLO, 20)) == 0
    assert cached(engine, greedy(SYSTEM + BYE, 20)) == len(SYSTEM)
    assert cached(engine, greedy(SYSTEM + HELLO, 20)) == len(SYSTEM + HELLO) - 1, "the first is still there"


def test_a_running_sequence_shares_what_it_has(engine: Engine, alone: PlainDecoder) -> None:
    running = engine.admit(greedy(SYSTEM + HELLO, 40, 2))
    engine.step()
    late = engine.admit(greedy(SYSTEM + BYE, 20, 2))
    while engine.free < engine.parallel:
        engine.step()
    assert late.cached == len(SYSTEM)
    for sequence, max_tokens in ((running, 40), (late, 20)):
        written = tuple(sequence.tokens[sequence.prompt_length :])
        assert written == alone.write(sequence.generation.prompt, max_tokens, ignore_eos=True)


def test_requests_that_come_together_read_their_common_beginning_once(engine: Engine, alone: PlainDecoder) -> None:
    sequences = [engine.admit(greedy(SYSTEM + rest, 15, k)) for rest, k in ((HELLO, 0), (HELLO, 4), (BYE, 2))]
    while engine.free < engine.parallel:
        engine.step()
    assert [s.cached for s in sequences] == [0, len(SYSTEM + HELLO) - 1, len(SYSTEM)]
    for sequence in sequences:
        written = tuple(sequence.tokens[sequence.prompt_length :])
        assert written == alone.write(sequence.generation.prompt, 15, ignore_eos=True)


def test_a_leader_that_is_given_up_leaves_what_it_has_read(engine: Engine, alone: PlainDecoder) -> None:
    leader, follower = (engine.admit(greedy(SYSTEM + HELLO, 15, k)) for k in (0, 3))
    engine.release(leader)
    while engine.free < engine.parallel:
        engine.step()
    assert tuple(follower.tokens[follower.prompt_length :]) == alone.write(SYSTEM + HELLO, 15, ignore_eos=True)


def test_a_request_may_do_without(engine: Engine) -> None:
    generation = replace(greedy(SYSTEM + HELLO, 10, 2), cache_prompt=False)
    assert [cached(engine, generation) for _ in range(3)] == [0, 0, 0]


def test_the_draft_model_reuses_its_cache_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    drafter = engine.drafters["model"]
    assert isinstance(drafter, ModelDrafter)
    decoded: list[int] = []
    decode = drafter.texts.context.decode
    monkeypatch.setattr(
        drafter.texts.context,
        "decode",
        lambda pieces: (decoded.extend(len(p.tokens) for p in pieces), decode(pieces))[1],
    )
    for rest, expected in ((HELLO, len(SYSTEM + HELLO)), (BYE, len(BYE))):
        sequence = engine.admit(greedy(SYSTEM + rest, 10, 2))
        decoded.clear()
        engine.step()
        assert decoded == [expected]
        assert list(drafter.texts.text(sequence.slot)) == list(SYSTEM + rest)
        engine.release(sequence)


def test_the_least_recently_used_text_is_given_up_first(engine: Engine) -> None:
    texts = [prompt_of(f"{word} {word} ti mo") for word in ("ka", "so", "mi", "to")]
    for text in texts[:3]:
        cached(engine, greedy(text, 5))
    assert cached(engine, greedy(texts[0], 5)) == len(texts[0]) - 1
    cached(engine, greedy(texts[3], 5))
    assert cached(engine, greedy(texts[0], 5)) == len(texts[0]) - 1
    assert cached(engine, greedy(texts[2], 5)) == len(texts[2]) - 1
    assert cached(engine, greedy(texts[1], 5)) <= 1, "only the token that begins every text"


def test_a_draft_model_that_has_missed_a_long_text_draws_near_in_steps_that_others_can_bear(tiny_pair: Pair) -> None:
    text = tuple(FIRST_PIECE + i * 7 % 24 for i in range(100))
    with closing(open_engine(tiny_pair, parallel=2, prefill_chunk=16)) as engine:
        list(engine.generate(greedy(text, 5, 0)))
        other = engine.admit(greedy(prompt_of("ka"), 60, 0))
        engine.step()
        late = engine.admit(greedy(text, 40, 4))
        drafter = engine.drafters["model"]
        assert isinstance(drafter, ModelDrafter)
        held = []
        while drafter.texts.length(late.slot) < len(text):
            before = len(other.tokens)
            engine.step()
            assert len(other.tokens) == before + 1, "nobody waits for the draft model"
            held.append(drafter.texts.length(late.slot))
        assert all(after - before <= 16 + 8 for before, after in pairwise(held))
        assert late.cached == len(text) - 1
        assert sum(step.cost.k for _, step in engine.step() if isinstance(step.cost, Round)) > 0
