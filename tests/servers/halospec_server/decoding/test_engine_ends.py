"""Where a text ends, and that the engine is as good as new afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing

import pytest

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Round
from tiny_engines import Pair, greedy, open_engine, prompt_of, rounds_of, tokens_of
from tiny_models import FIRST_PIECE, N_VOCAB

# Greedy decoding after this prompt ends the text, and the draft foresees more than the end.
ENDS_INSIDE_AN_ACCEPTED_RUN = prompt_of("ta")


@pytest.mark.parametrize("draft_length", [0, 1, 4, 16])
@pytest.mark.parametrize("max_tokens", [1, 2, 3, 17, 40])
def test_a_text_without_an_end_has_exactly_max_tokens(engine: Engine, max_tokens: int, draft_length: int) -> None:
    steps = list(engine.generate(greedy(prompt_of("ka ti mo"), max_tokens, draft_length)))
    assert len(tokens_of(steps)) == max_tokens
    assert not any(step.ended for step in steps)


def test_an_end_inside_an_accepted_run_ends_the_text_there(model_engine: Engine) -> None:
    steps = list(model_engine.generate(greedy(ENDS_INSIDE_AN_ACCEPTED_RUN, 60, 4, ignore_eos=False)))
    last = steps[-1]
    assert isinstance(last.cost, Round)
    assert len(last.tokens) <= last.cost.accepted, "this prompt was chosen so that the draft holds the end"
    assert [step.ended for step in steps] == [False] * (len(steps) - 1) + [True]
    ends = set(model_engine.target.model.end_tokens.tolist())
    assert [i for i, token in enumerate(tokens_of(steps)) if token in ends] == [len(tokens_of(steps)) - 1]


def test_ignored_ends_are_neither_written_nor_drafted(engine: Engine) -> None:
    ends = set(engine.target.model.end_tokens.tolist())
    for draft_length in (0, 4):
        tokens = tokens_of(list(engine.generate(greedy(ENDS_INSIDE_AN_ACCEPTED_RUN, 60, draft_length))))
        assert len(tokens) == 60
        assert not ends & set(tokens)


@pytest.mark.parametrize("draft_length", [0, 3, 16])
def test_the_context_ends_a_text_that_fills_it(engine: Engine, draft_length: int) -> None:
    n_ctx = engine.target.n_ctx
    pieces = itertools.cycle(range(FIRST_PIECE, N_VOCAB))
    for prompt_length in (n_ctx - 20, n_ctx - 2, n_ctx - 1):
        prompt = tuple(itertools.islice(pieces, prompt_length))
        steps = list(engine.generate(greedy(prompt, 1000, draft_length)))
        assert len(prompt) + len(tokens_of(steps)) == n_ctx


def test_a_prompt_that_leaves_no_room_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="leave no room in a context of 256"):
        next(engine.generate(greedy((FIRST_PIECE,) * engine.target.n_ctx, 1)))


def test_an_empty_prompt_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="prompt is empty"):
        next(engine.generate(greedy((), 1)))


def test_the_engine_can_be_used_again_after_an_abandoned_text(engine: Engine) -> None:
    generation = greedy(prompt_of("so sa"), 40, 4)
    expected = tokens_of(list(engine.generate(generation)))
    for taken in (1, 2, 5):
        abandoned = engine.generate(greedy(prompt_of("ka ka ti mo ka"), 60, 4))
        assert len(list(itertools.islice(abandoned, taken))) == taken
        abandoned.close()
        assert tokens_of(list(engine.generate(generation))) == expected


@pytest.mark.parametrize("asked_before", [0, 1, 2, 3, 8])
def test_a_cancelled_text_is_a_beginning_and_harms_nothing(engine: Engine, asked_before: int) -> None:
    generation = greedy(prompt_of("so sa"), 40, 4)
    expected = tokens_of(list(engine.generate(generation)))
    cancelled = list(engine.generate(generation, _yes_after(asked_before)))
    written = tokens_of(cancelled)
    assert len(rounds_of(cancelled)) <= asked_before
    assert len(written) < len(expected)
    assert written == expected[: len(written)]
    assert tokens_of(list(engine.generate(generation))) == expected


def test_cancelling_is_heeded_between_the_passes_of_a_long_prompt(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, ctx_size=2048)) as engine:
        prompt = (FIRST_PIECE,) * 1500
        assert list(engine.generate(greedy(prompt, 5, 4), _yes_after(2))) == []
        assert engine.texts.length(0) == 2 * engine.target.n_batch


def _yes_after(times: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= times
