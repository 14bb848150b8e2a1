"""Which slot a request gets, and whom it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from halospec_server.decoding.cached_texts import CachedTexts
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sequence import Sequence
from halospec_server.decoding.slots import WORTH_WAITING_FOR, Slots
from halospec_server.lengths.fixed import FixedLength
from halospec_server.llama import Context, Model, Piece
from halospec_server.verifiers.greedy import GreedyVerifier
from tiny_engines import GREEDY, Pair
from tiny_models import FIRST_PIECE

N_SLOTS = 3
TEXT = tuple(FIRST_PIECE + i % 7 for i in range(80))
OTHER = tuple(FIRST_PIECE + 8 + i % 5 for i in range(80))
"""Has nothing in common with the first."""


@pytest.fixture(scope="module")
def context(tiny_pair: Pair) -> Iterator[Context]:
    model = Model(tiny_pair[0])
    with (
        closing(model),
        closing(Context(model, n_ctx=256, n_slots=N_SLOTS, n_threads=1, max_outputs=N_SLOTS)) as opened,
    ):
        yield opened


@pytest.fixture
def texts(context: Context) -> CachedTexts:
    context.reset()
    return CachedTexts(context)


@pytest.fixture
def slots(texts: CachedTexts) -> Slots:
    return Slots(texts)


def asking(prompt: tuple[int, ...], *, cache_prompt: bool = True) -> Generation:
    return Generation(prompt, 10, GREEDY, cache_prompt=cache_prompt)


def admit(slots: Slots, generation: Generation, slot: int | None = None) -> Sequence:
    """Let a request in, by default where it would be put."""
    sequence = Sequence(
        slot=slots.choose(generation) if slot is None else slot,
        generation=generation,
        tokens=list(generation.prompt),
        final_length=len(generation.prompt) + generation.max_tokens,
        drafter=None,
        policy=FixedLength(0),
        verifier=GreedyVerifier(),
        rules=LogitRules(GREEDY, np.array([], dtype=np.int64)),
        rng=np.random.default_rng(0),
    )
    slots.occupy(sequence)
    return sequence


def leave(slots: Slots, texts: CachedTexts, text: tuple[int, ...], slot: int) -> None:
    """Let a request come and go that leaves a text in a slot."""
    sequence = admit(slots, asking(text, cache_prompt=False), slot)
    texts.truncate(slot, 0)
    texts.decode([Piece(slot, text, 0)])
    slots.vacate(sequence)


class TestTheSlot:
    def test_is_one_that_was_never_used_while_there_is_any(self, slots: Slots) -> None:
        first = admit(slots, asking(TEXT))
        slots.vacate(first)
        assert {first.slot, admit(slots, asking(OTHER)).slot, admit(slots, asking(OTHER)).slot} == {0, 1, 2}

    def test_is_never_one_that_is_taken(self, slots: Slots, texts: CachedTexts) -> None:
        leave(slots, texts, TEXT, 1)
        assert [admit(slots, asking(TEXT)).slot for _ in range(N_SLOTS)] == [1, 0, 2]

    def test_is_the_one_that_was_idle_the_longest_where_no_text_fits(self, slots: Slots, texts: CachedTexts) -> None:
        sequences = [admit(slots, asking(TEXT)) for _ in range(N_SLOTS)]
        for slot in (1, 2, 0):
            slots.vacate(sequences[slot])
        assert [admit(slots, asking(OTHER)).slot for _ in range(N_SLOTS)] == [1, 2, 0]

    @pytest.mark.parametrize(
        "prompt",
        [(*TEXT[:60], *OTHER[:20]), TEXT[:60], TEXT[:40], (*TEXT[:56], *OTHER[:20])],
        ids=["continues it", "is it", "is its beginning", "continues it but for its end"],
    )
    def test_is_the_one_whose_text_the_prompt_continues_or_repeats(
        self, slots: Slots, texts: CachedTexts, prompt: tuple[int, ...]
    ) -> None:
        for slot, text in ((0, OTHER), (1, OTHER), (2, TEXT[:60])):
            leave(slots, texts, text, slot)
        assert slots.choose(asking(prompt)) == 2

    def test_is_not_one_whose_text_only_begins_like_the_prompt(self, slots: Slots, texts: CachedTexts) -> None:
        for slot, text in ((0, OTHER), (1, OTHER), (2, TEXT)):
            leave(slots, texts, text, slot)
        assert slots.choose(asking((*TEXT[:40], *OTHER[:20]))) == 0

    def test_is_the_one_with_the_most_of_the_prompt(self, slots: Slots, texts: CachedTexts) -> None:
        for slot, length in ((0, 10), (1, 30), (2, 20)):
            leave(slots, texts, TEXT[:length], slot)
        assert slots.choose(asking(TEXT)) == 1

    def test_is_not_chosen_by_its_text_where_the_cache_is_not_to_be_used(
        self, slots: Slots, texts: CachedTexts
    ) -> None:
        for slot, text in ((0, OTHER), (1, OTHER), (2, TEXT)):
            leave(slots, texts, text, slot)
        assert slots.choose(asking(TEXT, cache_prompt=False)) == 0

    def test_keeps_its_text_when_it_is_vacated(self, slots: Slots, texts: CachedTexts) -> None:
        sequence = admit(slots, asking(TEXT))
        texts.decode([Piece(sequence.slot, TEXT, 0)])
        slots.vacate(sequence)
        assert sequence.released
        assert slots.running == []
        assert texts.text(sequence.slot) == list(TEXT)


class TestTheLeader:
    def test_is_who_is_reading_the_same_beginning(self, slots: Slots) -> None:
        reading = admit(slots, asking((*TEXT, *OTHER[:3])))
        assert admit(slots, asking((*TEXT, *OTHER[:9]))).leader is reading
        assert reading.leader is None

    def test_is_who_has_the_most_in_common(self, slots: Slots) -> None:
        admit(slots, asking((*TEXT[:40], *OTHER)))
        most = admit(slots, asking((*TEXT[:70], *OTHER)))
        assert admit(slots, asking(TEXT)).leader is most

    def test_is_nobody_whose_prompt_begins_otherwise(self, slots: Slots) -> None:
        admit(slots, asking(OTHER))
        assert admit(slots, asking(TEXT)).leader is None

    @pytest.mark.parametrize("more", [0, -1])
    def test_must_be_worth_waiting_for(self, slots: Slots, texts: CachedTexts, more: int) -> None:
        leave(slots, texts, TEXT[:20], 2)
        reading = admit(slots, asking((*TEXT[: 20 + WORTH_WAITING_FOR + more], *OTHER)), 0)
        assert (admit(slots, asking(TEXT)).leader is reading) == (more == 0)

    def test_is_nobody_who_has_read_the_prompt_already(self, slots: Slots) -> None:
        admit(slots, asking(TEXT)).in_prompt = False
        assert admit(slots, asking(TEXT)).leader is None

    def test_is_nobody_who_has_gone(self, slots: Slots) -> None:
        slots.vacate(admit(slots, asking(TEXT)))
        assert admit(slots, asking(TEXT)).leader is None

    @pytest.mark.parametrize("allowed", [(True, False), (False, True)])
    def test_and_follower_both_allow_the_cache_to_be_used(self, slots: Slots, allowed: tuple[bool, bool]) -> None:
        admit(slots, asking(TEXT, cache_prompt=allowed[0]))
        assert admit(slots, asking(TEXT, cache_prompt=allowed[1])).leader is None


def test_states_are_told_by_the_books_and_by_llama_cpp(slots: Slots, texts: CachedTexts, tiny_pair: Pair) -> None:
    leave(slots, texts, TEXT[:30], 1)
    sequence = admit(slots, asking(OTHER), 2)
    texts.decode([Piece(sequence.slot, OTHER[:5], 0)])
    alone = slots.states(None)
    assert [(state.slot, state.running) for state in alone] == [(0, False), (1, False), (2, True)]
    assert [(state.target_tokens, state.target_cells) for state in alone] == [(0, 0), (30, 30), (5, 5)]
    assert [(state.draft_tokens, state.draft_cells) for state in alone] == [(0, 0)] * 3
    draft_model = Model(tiny_pair[1])
    with (
        closing(draft_model),
        closing(Context(draft_model, n_ctx=256, n_slots=N_SLOTS, n_threads=1, max_outputs=N_SLOTS)) as draft_context,
    ):
        draft = CachedTexts(draft_context)
        draft.decode([Piece(1, TEXT[:7], 0), Piece(2, OTHER[:5], 0)])
        both = slots.states(draft)
    assert [replace(state, draft_tokens=0, draft_cells=0) for state in both] == alone
    assert [(state.draft_tokens, state.draft_cells) for state in both] == [(0, 0), (7, 7), (5, 5)]
