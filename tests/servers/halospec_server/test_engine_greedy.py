"""At temperature 0 the draft length changes the cost of a text and never the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.engine import MAX_DRAFT_LENGTH, Engine
from tiny_engines import greedy, plain, prompt_of, rounds_of, tokens_of
from tiny_models import FIRST_PIECE, N_VOCAB

DRAFT_LENGTHS = (*range(9), MAX_DRAFT_LENGTH)
PROMPTS = ("ka ti mo", "so sa", "mi", "ka ka ka", "ko ti ko ti ko ta", "sa mo ti ka sa mo")

syllables = st.lists(st.integers(FIRST_PIECE, N_VOCAB - 1), min_size=1, max_size=8)
prompts = st.builds(lambda words, times: tuple(words * times), syllables, st.integers(1, 3))


@pytest.mark.parametrize("draft_length", DRAFT_LENGTHS)
def test_every_draft_length_writes_what_plain_decoding_writes(engine: Engine, draft_length: int) -> None:
    for prompt in PROMPTS:
        generation = greedy(prompt_of(prompt), 60, draft_length)
        expected = tokens_of(list(engine.generate(plain(generation))))
        steps = list(engine.generate(generation))
        assert tokens_of(steps) == expected, prompt
        assert sum(r.k for r in rounds_of(steps)) > 0 or draft_length == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    prompt=prompts, max_tokens=st.integers(1, 40), draft_length=st.sampled_from(DRAFT_LENGTHS), ignore_eos=st.booleans()
)
def test_so_does_any_request(
    model_engine: Engine,
    lookup_engine: Engine,
    prompt: tuple[int, ...],
    max_tokens: int,
    draft_length: int,
    ignore_eos: bool,
) -> None:
    generation = greedy(prompt, max_tokens, draft_length, ignore_eos=ignore_eos)
    expected = tokens_of(list(lookup_engine.generate(plain(generation))))
    for engine in (model_engine, lookup_engine):
        assert tokens_of(list(engine.generate(generation))) == expected


def test_both_drafters_are_sometimes_right_and_sometimes_wrong(engine: Engine) -> None:
    rounds = [r for prompt in PROMPTS for r in rounds_of(list(engine.generate(greedy(prompt_of(prompt), 60, 4))))]
    drafted, accepted = sum(r.k for r in rounds), sum(r.accepted for r in rounds)
    assert 0 < accepted < drafted


def test_without_a_drafter_any_draft_length_decodes_plainly(model_engine: Engine) -> None:
    plain_engine = Engine(model_engine.target, None)
    steps = list(plain_engine.generate(greedy(prompt_of("ka ti"), 20, 8)))
    assert tokens_of(steps) == tokens_of(list(model_engine.generate(greedy(prompt_of("ka ti"), 20))))
    assert [r.k for r in rounds_of(steps)] == [0] * 19
