from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.drafters.model import ModelDrafter
from halospec_server.llama import Context, Model
from halospec_server.sampling import Sampling
from tiny_engines import GREEDY, Pair, prompt_of
from tiny_models import EOS, FIRST_PIECE, N_VOCAB

NO_TOKENS = np.array([], dtype=np.int64)
pieces = st.integers(FIRST_PIECE, N_VOCAB - 1)


@pytest.fixture(scope="module")
def drafters(tiny_pair: Pair) -> Iterator[tuple[ModelDrafter, ModelDrafter]]:
    """Two drafters of the same model: one that goes on, and one that starts afresh."""
    with closing(_drafter(tiny_pair)) as continued, closing(_drafter(tiny_pair)) as fresh:
        yield continued, fresh


@pytest.fixture
def drafter(drafters: tuple[ModelDrafter, ModelDrafter]) -> ModelDrafter:
    return drafters[0]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    prompt=st.lists(pieces, min_size=1, max_size=10),
    rounds=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6), pieces), min_size=1, max_size=6),
)
def test_whatever_was_accepted_before_it_proposes_what_a_fresh_drafter_would(
    drafters: tuple[ModelDrafter, ModelDrafter], prompt: list[int], rounds: list[tuple[int, int, int]]
) -> None:
    continued, fresh = drafters
    continued.begin(prompt, lambda: False)
    tokens = [*prompt, FIRST_PIECE]
    for k, accepted, token in rounds:
        proposed = _propose(continued, tokens, k)
        fresh.begin(tokens, lambda: False)
        assert proposed == _propose(fresh, tokens, k)
        assert len(proposed) == k
        tokens += [*proposed[:accepted], token]


def test_a_greedy_draft_is_a_point_mass_and_a_sampled_one_says_what_it_was_drawn_from(drafter: ModelDrafter) -> None:
    prompt = prompt_of("ka ti")
    drafter.begin(prompt, lambda: False)
    assert drafter.propose(prompt, 3, GREEDY, np.random.default_rng(0), NO_TOKENS).distributions is None
    sampled = drafter.propose(prompt, 3, Sampling(0.7, 0.8), np.random.default_rng(0), NO_TOKENS)
    assert sampled.distributions is not None
    assert len(sampled.distributions) == 3
    for token, q in zip(sampled.tokens, sampled.distributions, strict=True):
        assert q[token] > 0
        assert q.sum() == pytest.approx(1.0)
        assert np.count_nonzero(q) < N_VOCAB / 2, "the nucleus holds for the draft as for the target"


def test_banned_tokens_are_not_proposed(drafter: ModelDrafter) -> None:
    prompt = prompt_of("ka ti")
    drafter.begin(prompt, lambda: False)
    favourite = _propose(drafter, prompt, 1)[0]
    banned = np.array([favourite, EOS], dtype=np.int64)
    assert favourite not in drafter.propose(prompt, 8, GREEDY, np.random.default_rng(0), banned).tokens
    sampled = drafter.propose(prompt, 8, Sampling(1.0), np.random.default_rng(0), banned)
    assert sampled.distributions is not None
    assert all(q[favourite] == 0 for q in sampled.distributions)


def test_tokens_that_only_the_other_vocabulary_has_are_not_proposed(tiny_pair: Pair) -> None:
    with closing(_drafter(tiny_pair, n_target_vocab=N_VOCAB - 5)) as drafter:
        prompt = prompt_of("ka ti")
        drafter.begin(prompt, lambda: False)
        banned = np.array([EOS, N_VOCAB - 1], dtype=np.int64)
        draft = drafter.propose(prompt, 12, Sampling(2.0), np.random.default_rng(0), banned)
    assert max(draft.tokens) < N_VOCAB - 5


@pytest.mark.parametrize(("free", "expected"), [(0, 1), (1, 2), (5, 6), (20, 8)])
def test_near_the_end_of_the_context_it_proposes_as_many_as_it_can_decode(
    drafter: ModelDrafter, free: int, expected: int
) -> None:
    tokens = [FIRST_PIECE] * (drafter._context.n_ctx - free)
    drafter.begin(tokens, lambda: False)
    # The last proposal needs no room: it is not decoded.
    assert len(_propose(drafter, tokens, 8)) == expected


def test_a_prompt_longer_than_a_pass_is_taken_in_whole(tiny_pair: Pair) -> None:
    prompt = [FIRST_PIECE + i % 24 for i in range(600)]
    with closing(_drafter(tiny_pair, n_ctx=1024)) as drafter:
        drafter.begin(prompt, lambda: False)
        assert drafter._resident == prompt
        drafter.begin(prompt, lambda: True)
        assert drafter._resident == []
        assert len(_propose(drafter, prompt, 2)) == 2
        assert drafter._resident[:600] == prompt


def _drafter(pair: Pair, n_target_vocab: int = N_VOCAB, n_ctx: int = 256) -> ModelDrafter:
    return ModelDrafter(Context(Model(pair[1]), n_ctx=n_ctx, n_threads=1, max_outputs=1), n_target_vocab)


def _propose(drafter: ModelDrafter, tokens: list[int] | tuple[int, ...], k: int) -> list[int]:
    return list(drafter.propose(tokens, k, GREEDY, np.random.default_rng(0), NO_TOKENS).tokens)
