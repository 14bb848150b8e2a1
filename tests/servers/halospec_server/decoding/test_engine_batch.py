"""Several sequences in one cache: each is written as if it were alone, and the caches hold what the books say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation, Prefill
from halospec_server.decoding.sequence import Sequence
from halospec_server.decoding.slots import NoFreeSlot
from plain_decoding import PlainDecoder
from tiny_engines import DRAFTERS, Pair, greedy, open_engine, prompt_of
from tiny_models import FIRST_PIECE, N_VOCAB

PARALLEL = 3
CHUNK = 7
"""Small, so that prompts of a few words need several steps."""

syllables = st.lists(st.integers(FIRST_PIECE, N_VOCAB - 1), min_size=1, max_size=10)
prompts = st.builds(lambda words, times: tuple(words * times), syllables, st.integers(1, 4))


@dataclass(frozen=True)
class Request:
    """A request of a mix: when it comes, what it asks for, and after how many of its tokens its client has gone."""

    at_step: int
    generation: Generation
    gone_after: int | None


requests = st.builds(
    Request,
    at_step=st.integers(0, 12),
    generation=st.builds(
        lambda prompt, max_tokens, draft_length, ignore_eos, **fields: replace(
            greedy(prompt, max_tokens, ignore_eos=ignore_eos), draft_length=draft_length, **fields
        ),
        prompt=prompts,
        max_tokens=st.integers(1, 30),
        draft_length=st.one_of(st.integers(0, 16), st.none()),
        ignore_eos=st.booleans(),
        drafter=st.sampled_from((*DRAFTERS, "none")),
        p_min=st.sampled_from((0.0, 0.4)),
        cache_prompt=st.booleans(),
        threads=st.sampled_from((None, 1, 2)),
    ),
    gone_after=st.one_of(st.none(), st.none(), st.integers(0, 20)),
)


@pytest.fixture(scope="module")
def crowded(tiny_pair: Pair) -> Iterator[Engine]:
    with closing(open_engine(tiny_pair, parallel=PARALLEL, batch_size=64, prefill_chunk=CHUNK)) as engine:
        yield engine


@settings(max_examples=150, deadline=None, derandomize=True)
@given(mix=st.lists(requests, min_size=1, max_size=8))
def test_every_text_is_what_plain_decoding_writes_alone(
    crowded: Engine, alone: PlainDecoder, mix: list[Request]
) -> None:
    for request, sequence in run(crowded, mix):
        generation = request.generation
        written = tuple(sequence.tokens[sequence.prompt_length :])
        expected = alone.write(generation.prompt, generation.max_tokens, ignore_eos=generation.ignore_eos)
        if written != expected[: len(written)]:
            assert alone.could_write(generation.prompt, written, ignore_eos=generation.ignore_eos)
        elif request.gone_after is None:
            assert len(written) == len(expected)


def run(engine: Engine, mix: list[Request]) -> list[tuple[Request, Sequence]]:
    """Decode a mix to its end, holding the books against the caches after every step."""
    waiting = sorted(mix, key=lambda request: request.at_step)
    begun: list[tuple[Request, Sequence]] = []
    step = 0
    while waiting or engine.free < engine.parallel:
        while waiting and engine.free and waiting[0].at_step <= step:
            request = waiting.pop(0)
            begun.append((request, engine.admit(request.generation)))
        engine.step()
        check_books(engine, [sequence for _, sequence in begun])
        for request, sequence in begun:
            written = len(sequence.tokens) - sequence.prompt_length
            if request.gone_after is not None and written >= request.gone_after:
                engine.release(sequence)
        step += 1
    return begun


def check_books(engine: Engine, sequences: list[Sequence]) -> None:
    for state in engine.slots():
        assert state.target_tokens == state.target_cells == engine.target.lengths[state.slot]
        assert state.draft_tokens == state.draft_cells
    for sequence in sequences:
        if sequence.released or not sequence.started:
            continue
        held = list(engine.texts.text(sequence.slot))
        assert held == sequence.tokens[: len(held)]
        assert len(held) == len(sequence.tokens) - 1 or sequence.in_prompt


def test_a_slot_that_nobody_has_left_cannot_be_had(crowded: Engine) -> None:
    sequences = [crowded.admit(greedy(prompt_of("ka"), 5)) for _ in range(PARALLEL)]
    with pytest.raises(NoFreeSlot):
        crowded.admit(greedy(prompt_of("ka"), 5))
    for sequence in sequences:
        crowded.release(sequence)
    assert crowded.free == PARALLEL


def test_a_slot_is_free_as_soon_as_its_text_is_finished_or_given_up(crowded: Engine) -> None:
    short, long = crowded.admit(greedy(prompt_of("ka"), 2)), crowded.admit(greedy(prompt_of("ti mo"), 40))
    while not short.released:
        crowded.step()
    assert crowded.free == PARALLEL - 1
    crowded.release(long)
    crowded.release(long)
    assert crowded.free == PARALLEL
    assert crowded.step() == []


def test_prompts_are_read_in_chunks_between_the_rounds_of_others(crowded: Engine) -> None:
    writing = crowded.admit(replace(greedy(prompt_of("ka ti"), 40, 2), cache_prompt=False))
    crowded.step()
    reading = crowded.admit(replace(greedy((FIRST_PIECE,) * (3 * CHUNK + 1), 5), cache_prompt=False))
    held = []
    while reading.in_prompt:
        before = len(writing.tokens)
        crowded.step()
        assert len(writing.tokens) > before, "nobody waits for somebody else's prompt"
        held.append(crowded.texts.length(reading.slot))
    assert held == [CHUNK, 2 * CHUNK, 3 * CHUNK, 3 * CHUNK + 1]
    crowded.release(writing)
    crowded.release(reading)


def test_alone_a_prompt_is_read_a_whole_pass_at_a_time(crowded: Engine) -> None:
    reading = crowded.admit(replace(greedy((FIRST_PIECE,) * 150, 5), cache_prompt=False))
    held = []
    while reading.in_prompt:
        crowded.step()
        held.append(crowded.texts.length(reading.slot))
    assert held == [64, 128, 150]
    crowded.release(reading)


def test_everything_is_dropped_by_a_reset(crowded: Engine, alone: PlainDecoder) -> None:
    for text in ("ka", "ti mo"):
        crowded.admit(greedy(prompt_of(text), 40, 3))
    crowded.step()
    crowded.reset()
    assert crowded.free == PARALLEL
    states = crowded.slots()
    assert all(s.target_cells == s.draft_cells == s.target_tokens == s.draft_tokens == 0 for s in states)
    generation = greedy(prompt_of("ka"), 20, 3)
    written = tuple(token for step in crowded.generate(generation) for token in step.tokens)
    assert written == alone.write(generation.prompt, 20, ignore_eos=True)


def test_an_unknown_drafter_or_policy_is_one_sentence(crowded: Engine) -> None:
    with pytest.raises(ValueError, match="no drafter 'magic' here; choose one of model, prompt_lookup"):
        crowded.check(replace(greedy(prompt_of("ka"), 5, 2), drafter="magic"))
    with pytest.raises(ValueError, match="heuristic"):
        crowded.check(replace(greedy(prompt_of("ka"), 5), draft_length=None, length_policy="magic"))


def test_the_first_step_of_a_text_is_its_prefill_and_all_others_are_rounds(crowded: Engine) -> None:
    steps = list(crowded.generate(greedy(prompt_of("ka ti mo"), 12, 2)))
    assert [isinstance(step.cost, Prefill) for step in steps] == [True] + [False] * (len(steps) - 1)
    assert [step.finished for step in steps] == [False] * (len(steps) - 1) + [True]
