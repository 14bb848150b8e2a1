"""At temperature 0 the draft length changes the cost of a text and never the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import Threads
from halospec.controllers.spelling import round_rule
from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH
from halospec_server.decoding.sampling import Sampling
from halospec_server.lengths.ruled import outcome_of
from plain_decoding import PlainDecoder
from tiny_engines import DRAFTERS, DrafterName, greedy, prompt_of, rounds_of, tokens_of
from tiny_models import FIRST_PIECE, N_VOCAB

DRAFT_LENGTHS = (*range(9), MAX_DRAFT_LENGTH)
PROMPTS = ("ka ti mo", "so sa", "mi", "ka ka ka", "ko ti ko ti ko ta", "sa mo ti ka sa mo")

syllables = st.lists(st.integers(FIRST_PIECE, N_VOCAB - 1), min_size=1, max_size=8)
prompts = st.builds(lambda words, times: tuple(words * times), syllables, st.integers(1, 3))


@pytest.mark.parametrize("drafter", DRAFTERS)
@pytest.mark.parametrize("draft_length", DRAFT_LENGTHS)
def test_every_draft_length_writes_what_plain_decoding_writes(
    model_engine: Engine, alone: PlainDecoder, draft_length: int, drafter: DrafterName
) -> None:
    for prompt in map(prompt_of, PROMPTS):
        steps = list(model_engine.generate(replace(greedy(prompt, 60, draft_length), drafter=drafter)))
        assert tokens_of(steps) == alone.write(prompt, 60, ignore_eos=True), prompt
        assert sum(r.k for r in rounds_of(steps)) > 0 or draft_length == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    prompt=prompts,
    max_tokens=st.integers(1, 40),
    draft_length=st.one_of(st.sampled_from(DRAFT_LENGTHS), st.none()),
    drafter=st.sampled_from(DRAFTERS),
    p_min=st.sampled_from((0.0, 0.3, 0.9)),
    ignore_eos=st.booleans(),
)
def test_so_does_any_request(
    model_engine: Engine,
    alone: PlainDecoder,
    prompt: tuple[int, ...],
    max_tokens: int,
    draft_length: int | None,
    drafter: DrafterName,
    p_min: float,
    ignore_eos: bool,
) -> None:
    generation = replace(
        greedy(prompt, max_tokens, ignore_eos=ignore_eos), draft_length=draft_length, drafter=drafter, p_min=p_min
    )
    written = tokens_of(list(model_engine.generate(generation)))
    assert written == alone.write(prompt, max_tokens, ignore_eos=ignore_eos)


@pytest.mark.parametrize("drafter", DRAFTERS)
def test_every_drafter_is_sometimes_right_and_sometimes_wrong(model_engine: Engine, drafter: DrafterName) -> None:
    generations = [replace(greedy(prompt_of(prompt), 60, 4), drafter=drafter) for prompt in PROMPTS]
    rounds = [r for generation in generations for r in rounds_of(list(model_engine.generate(generation)))]
    drafted, accepted = sum(r.k for r in rounds), sum(r.accepted for r in rounds)
    assert 0 < accepted < drafted


def test_without_a_drafter_any_draft_length_decodes_plainly(model_engine: Engine, alone: PlainDecoder) -> None:
    prompt = prompt_of("ka ti")
    steps = list(model_engine.generate(replace(greedy(prompt, 20, 8), drafter="none")))
    assert tokens_of(steps) == alone.write(prompt, 20, ignore_eos=True)
    assert [r.k for r in rounds_of(steps)] == [0] * 19


def test_penalties_and_biases_are_obeyed_whatever_is_drafted(model_engine: Engine) -> None:
    prompt = prompt_of("ka ti mo")
    sampling = Sampling(0.0, presence_penalty=0.7, frequency_penalty=0.4, logit_bias=((FIRST_PIECE + 3, 2.0),))
    plain, *drafted = (
        tokens_of(list(model_engine.generate(replace(greedy(prompt, 50, k), sampling=sampling)))) for k in (0, 1, 4, 16)
    )
    assert drafted == [plain] * 3
    assert plain != tokens_of(list(model_engine.generate(greedy(prompt, 50))))


def test_p_min_ends_drafts_early_and_the_harder_the_sooner(model_engine: Engine) -> None:
    drafted = []
    for p_min in (0.0, 0.3, 0.6, 1.0):
        steps = list(model_engine.generate(replace(greedy(prompt_of("ko ti ko"), 60, 8), p_min=p_min)))
        drafted.append(sum(r.k for r in rounds_of(steps)) / len(rounds_of(steps)))
    assert drafted == sorted(drafted, reverse=True)
    assert drafted[0] > drafted[1] > 0
    assert drafted[-1] == 0


def test_a_policy_chooses_the_draft_length_round_by_round(model_engine: Engine) -> None:
    generation = replace(greedy(prompt_of("ka ti mo"), 60), draft_length=None, length_policy="heuristic")
    rounds = rounds_of(list(model_engine.generate(generation)))
    expected = round_rule("heuristic", Threads()).for_text()
    for done in rounds:
        assert Setting(done.limit) == expected.choose()
        expected.update(outcome_of(done))
    assert len({done.limit for done in rounds}) > 2


def test_log_probabilities_are_the_targets_own(model_engine: Engine, alone: PlainDecoder) -> None:
    prompt = prompt_of("ka ti mo")
    generation = replace(greedy(prompt, 30, 4), top_logprobs=3, sampling=Sampling(0.0, frequency_penalty=0.5))
    text = list(prompt)
    for step in model_engine.generate(generation):
        assert [entry.token for entry in step.logprobs] == list(step.tokens)
        for entry in step.logprobs:
            expected = log_softmax(alone.logits_after(text).astype(np.float64))
            assert entry.logprob == pytest.approx(expected[entry.token], abs=1e-3)
            assert [value for _, value in entry.top] == pytest.approx(np.sort(expected)[:-4:-1], abs=1e-3)
            text.append(entry.token)
