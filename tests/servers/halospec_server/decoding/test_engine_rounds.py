"""What the engine says of each round, and what both caches hold after it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation, Prefill, Round
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.model import ModelDrafter
from tiny_engines import GREEDY, Pair, greedy, open_engine, prompt_of, rounds_of

SAMPLINGS = (GREEDY, Sampling(1.0), Sampling(0.7, top_p=0.8))


def generations(draft_length: int) -> list[Generation]:
    return [
        Generation(prompt_of(prompt), max_tokens, sampling, draft_length, seed=5, ignore_eos=ignore_eos)
        for prompt in ("ka ti mo ka ti mo", "so sa")
        for max_tokens in (1, 30)
        for sampling in SAMPLINGS
        for ignore_eos in (True, False)
    ]


@pytest.mark.parametrize("draft_length", [0, 1, 4, 16])
def test_the_log_agrees_with_itself_and_with_the_tokens(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        steps = list(engine.generate(generation))
        first, rounds = steps[0], steps[1:]
        assert isinstance(first.cost, Prefill)
        assert len(first.tokens) == 1
        for step in rounds:
            assert isinstance(step.cost, Round)
            assert 0 <= step.cost.accepted <= step.cost.k <= draft_length
            cut_by_an_end = step.cost.accepted + 1 - len(step.tokens)
            assert cut_by_an_end == 0 or (step.ended and cut_by_an_end > 0)
            assert min(step.cost.draft_ns, step.cost.verify_ns, step.cost.sample_ns) >= 0


@pytest.mark.parametrize("draft_length", [1, 4, 16])
def test_no_round_drafts_past_the_limit(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        written = 0
        for step in engine.generate(generation):
            if isinstance(step.cost, Round):
                assert written + step.cost.k + 1 <= generation.max_tokens
            written += len(step.tokens)


@pytest.mark.parametrize("draft_length", [0, 1, 4, 16])
def test_after_every_step_the_targets_cache_lacks_the_last_token_alone(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        sequence = engine.admit(generation)
        while not sequence.finished and not sequence.released:
            engine.step()
            assert engine.texts.text(sequence.slot) == sequence.tokens[:-1]
            assert engine.target.cells(sequence.slot) == len(sequence.tokens) - 1
        engine.release(sequence)


@pytest.mark.parametrize("draft_length", [1, 4, 16])
def test_after_every_step_the_drafts_cache_is_the_text_it_knew_and_its_proposal(
    model_engine: Engine, draft_length: int
) -> None:
    drafter = model_engine.drafters["model"]
    assert isinstance(drafter, ModelDrafter)
    for generation in generations(draft_length):
        sequence = model_engine.admit(generation)
        model_engine.step()
        assert drafter.texts.text(sequence.slot) == list(generation.prompt)
        while not sequence.released:
            known = list(sequence.tokens)
            ((_, step),) = model_engine.step()
            assert isinstance(step.cost, Round)
            if step.cost.k:
                # The last proposal is not decoded: the next round does that if it is accepted.
                held = list(drafter.texts.text(sequence.slot))
                assert held[: len(known)] == known
                assert len(held) == len(known) + step.cost.k - 1
                kept = sequence.tokens[len(known) :][: min(step.cost.accepted, step.cost.k - 1)]
                assert held[len(known) :][: len(kept)] == kept
            assert drafter.texts.length(sequence.slot) == drafter.texts.context.cells(sequence.slot)


def test_a_round_says_which_passes_it_shared(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, parallel=3)) as engine:
        sequences = [engine.admit(greedy(prompt_of(text), 20, k)) for text, k in (("ka", 0), ("ti mo", 3), ("so", 5))]
        engine.step()
        steps = engine.step()
        rounds = [step.cost for _, step in steps if isinstance(step.cost, Round)]
        assert [sequence for sequence, _ in steps] == sequences
        assert [done.limit for done in rounds] == [0, 3, 5]
        assert {done.sequences for done in rounds} == {3}
        assert {done.width for done in rounds} == {sum(done.k + 1 for done in rounds)}
        assert len({(done.draft_ns, done.verify_ns) for done in rounds}) == 1


def test_threads_are_those_the_request_asked_for(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, parallel=2)) as engine:
        fewer = replace(greedy(prompt_of("ka"), 20, 2), threads=2, draft_threads=3)
        rounds = rounds_of(list(engine.generate(fewer)))
        assert {(done.threads, done.draft_threads) for done in rounds} == {(2, 3)}
        rounds = rounds_of(list(engine.generate(greedy(prompt_of("ka"), 20, 2))))
        assert {(done.threads, done.draft_threads) for done in rounds} == {(1, 1)}
        for threads in (4, 2):
            engine.admit(replace(greedy(prompt_of("ka"), 20, 2), threads=threads))
        engine.step()
        together = [step.cost for _, step in engine.step()]
        assert {done.threads for done in together if isinstance(done, Round)} == {2}


def test_without_drafting_there_are_no_draft_threads(engine: Engine) -> None:
    rounds = rounds_of(list(engine.generate(greedy(prompt_of("ka"), 5, 0))))
    assert {done.draft_threads for done in rounds} == {0}
