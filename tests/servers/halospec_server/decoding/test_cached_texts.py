"""Whatever happened to the slots before: their books, llama.cpp's and what the next token is predicted from agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from halospec_server.decoding.cached_texts import CachedTexts, common_prefix
from halospec_server.llama import Context, LlamaError, Model, Piece
from tiny_engines import Pair, prompt_of
from tiny_models import BOS, FIRST_PIECE, N_VOCAB

N_SLOTS = 3
ROUNDING = 1e-4
"""Keys and values are kept in half precision, and wide passes round otherwise than narrow ones. A token that is missed
or seen too much by a short text makes a difference of 1 and more."""

slots = st.integers(0, N_SLOTS - 1)
# Two syllables: random texts then often begin alike.
tokens = st.lists(st.integers(FIRST_PIECE, FIRST_PIECE + 1), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def target(tiny_pair: Pair) -> Iterator[Model]:
    with closing(Model(tiny_pair[0])) as model:
        yield model


@pytest.fixture(scope="module")
def context(target: Model) -> Iterator[Context]:
    with closing(
        Context(target, n_ctx=256, n_slots=N_SLOTS, n_threads=1, max_outputs=N_SLOTS, attention="exact")
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def alone(target: Model) -> Iterator[Context]:
    """A context of one slot, for what a text gives when it is by itself."""
    with closing(Context(target, n_ctx=256, n_threads=1, max_outputs=1, attention="exact")) as opened:
        yield opened


@pytest.fixture
def texts(context: Context) -> CachedTexts:
    context.reset()
    return CachedTexts(context)


class Histories(RuleBasedStateMachine):
    """Random things happen to the slots; ``held`` is what each should hold after them."""

    def __init__(self, context: Context, alone: Context) -> None:
        super().__init__()
        self.context, self.alone = context, alone
        self.texts = CachedTexts(context)
        self.texts.reset()
        self.held: list[list[int]] = [[] for _ in range(N_SLOTS)]

    @rule(new=st.dictionaries(slots, tokens, min_size=1))
    def decode(self, new: dict[int, list[int]]) -> None:
        rows = self.texts.decode([Piece(slot, more, 1) for slot, more in new.items()])
        for (slot, more), row in zip(new.items(), rows, strict=True):
            self.held[slot] += more
            self.alone.reset()
            (expected,) = self.alone.decode([Piece(0, self.held[slot], 1)])
            np.testing.assert_allclose(row, expected, atol=ROUNDING)

    @rule(slot=slots, length=st.integers(0, 20))
    def truncate(self, slot: int, length: int) -> None:
        self.texts.truncate(slot, length)
        del self.held[slot][length:]

    @rule(slot=slots, wanted=tokens)
    def reuse(self, slot: int, wanted: list[int]) -> None:
        longest = max(agreed(held, wanted) for held in self.held)
        assert self.texts.reuse(slot, wanted) == longest
        self.held[slot] = wanted[:longest]

    @precondition(lambda self: any(self.held))
    @rule(data=st.data(), slot=slots, source=slots, rest=tokens)
    def reuse_what_is_there(self, data: st.DataObject, slot: int, source: int, rest: list[int]) -> None:
        length = data.draw(st.integers(0, len(self.held[source])))
        self.reuse(slot, [*self.held[source][:length], *rest])

    @rule()
    def reset(self) -> None:
        self.texts.reset()
        self.held = [[] for _ in range(N_SLOTS)]

    @invariant()
    def the_books_agree(self) -> None:
        for slot, held in enumerate(self.held):
            assert self.texts.text(slot) == held
            assert self.texts.length(slot) == self.context.lengths[slot] == self.context.cells(slot) == len(held)


def test_no_history_makes_the_cache_differ_from_the_texts(context: Context, alone: Context) -> None:
    run_state_machine_as_test(
        lambda: Histories(context, alone),  # type: ignore[arg-type]  # any factory will do
        settings=settings(max_examples=60, stateful_step_count=20, deadline=None, derandomize=True),
    )


def test_the_longest_common_beginning_is_kept_wherever_it_is(texts: CachedTexts) -> None:
    text = list(prompt_of("ka ti mo so sa"))
    texts.decode([Piece(0, text[:3], 0), Piece(1, text[:5], 0), Piece(2, [*text[:2], *prompt_of("ta ta ta")], 0)])
    assert texts.reuse(2, text) == 5
    assert texts.text(2) == text[:5]
    assert (texts.length(0), texts.length(1)) == (3, 5), "the others keep what they hold"


def test_a_slots_own_text_serves_itself(texts: CachedTexts) -> None:
    text = list(prompt_of("ka ti mo so sa"))
    texts.decode([Piece(1, text, 0)])
    assert texts.reuse(1, [*text[:4], BOS]) == 4
    assert texts.text(1) == text[:4]


def test_nothing_in_common_leaves_an_empty_slot(texts: CachedTexts) -> None:
    texts.decode([Piece(0, prompt_of("ka"), 0), Piece(1, prompt_of("ti"), 0)])
    assert texts.reuse(1, [FIRST_PIECE]) == 0
    assert texts.length(1) == texts.context.cells(1) == 0


def test_what_is_reused_costs_no_cells(texts: CachedTexts) -> None:
    long = [FIRST_PIECE] * 256
    texts.decode([Piece(0, long, 0)])
    assert texts.reuse(1, long) == 256
    for _ in range(N_SLOTS - 1):
        texts.decode([Piece(2, long, 0)])
    with pytest.raises(LlamaError, match="full"):
        texts.decode([Piece(2, long[:1], 0)])


def test_a_pass_that_failed_is_not_in_the_books(texts: CachedTexts) -> None:
    texts.decode([Piece(0, prompt_of("ka"), 0)])
    with pytest.raises(LlamaError):
        texts.decode([Piece(0, [BOS], 0), Piece(1, [N_VOCAB], 1)])
    assert texts.text(0) == list(prompt_of("ka"))
    assert (texts.length(1), texts.context.lengths) == (0, [2, 0, 0])


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_text_may_be_a_list_or_a_tuple(texts: CachedTexts, kind: Callable[[Sequence[int]], Sequence[int]]) -> None:
    text = prompt_of("ka ti mo")
    texts.decode([Piece(0, kind(text), 0)])
    for other in (list(text), tuple(text)):
        assert texts.common(0, other) == 4
        assert texts.reuse(1, other) == 4


@given(st.lists(st.booleans(), max_size=6), st.lists(st.booleans(), max_size=40), st.lists(st.booleans(), max_size=40))
def test_the_common_beginning_of_two_texts_ends_where_they_first_differ(
    beginning: list[bool], one: list[bool], other: list[bool]
) -> None:
    ours, theirs = ([*map(int, beginning), *map(int, rest)] for rest in (one, other))
    assert common_prefix(ours, theirs) == agreed(ours, theirs)
    assert common_prefix(tuple(ours), theirs) == agreed(ours, theirs)


def agreed(one: Sequence[int], other: Sequence[int]) -> int:
    """Count, token by token, how far two texts agree."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
