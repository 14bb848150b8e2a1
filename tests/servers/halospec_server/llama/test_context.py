"""One pass over tokens of several sequences: what it gives, what the cache holds after it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import llama_cpp as capi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.llama import Context, LlamaError, Logits, Model, Piece
from tiny_engines import Pair, prompt_of
from tiny_models import BOS, FIRST_PIECE, N_VOCAB

N_CTX, N_SLOTS, N_BATCH, MAX_OUTPUTS = 256, 3, 256, 51
ROUNDING = 1e-4
"""Wide passes round otherwise than narrow ones. A token that is missed or seen too much by a short text makes a
difference of 1 and more."""
syllables = st.lists(st.integers(FIRST_PIECE, N_VOCAB - 1), min_size=1, max_size=9)
slots = st.integers(0, N_SLOTS - 1)


@pytest.fixture(scope="module")
def target(tiny_pair: Pair) -> Iterator[Model]:
    with closing(Model(tiny_pair[0])) as model:
        yield model


@pytest.fixture(scope="module")
def opened(target: Model) -> Iterator[Context]:
    with closing(
        Context(
            target,
            n_ctx=N_CTX,
            n_slots=N_SLOTS,
            n_threads=1,
            n_batch=N_BATCH,
            max_outputs=MAX_OUTPUTS,
            attention="exact",
        )
    ) as context:
        yield context


@pytest.fixture
def context(opened: Context) -> Context:
    opened.reset()
    return opened


@pytest.fixture(scope="module")
def alone(target: Model) -> Iterator[Context]:
    """A context of one slot, for what a text gives when it is by itself."""
    with closing(Context(target, n_ctx=512, n_threads=1, n_batch=512, max_outputs=512, attention="exact")) as context:
        yield context


def rows_of(alone: Context, text: Sequence[int]) -> Logits:
    """Return the logits after each token of a text that is decoded by itself; shape (len(text), n_vocab)."""
    alone.reset()
    return alone.decode([Piece(0, text, len(text))]).copy()


class TestAPass:
    def test_a_wide_one_gives_what_narrow_ones_give(self, context: Context, alone: Context) -> None:
        text = prompt_of("ka ti mo so sa ta ki")
        wide = rows_of(alone, text)
        assert wide.shape == (len(text), N_VOCAB)
        for i, token in enumerate(text):
            (narrow,) = context.decode([Piece(0, [token], 1)])
            np.testing.assert_allclose(narrow, wide[i], atol=ROUNDING)

    def test_gives_the_rows_of_the_last_tokens_of_each_piece_in_order(self, context: Context, alone: Context) -> None:
        one, other, last = prompt_of("ka ti mo"), prompt_of("so sa"), prompt_of("ta ki ta")
        rows = context.decode([Piece(2, one, 2), Piece(0, other, 0), Piece(1, last, 1)])
        expected = [*rows_of(alone, one)[-2:], *rows_of(alone, last)[-1:]]
        np.testing.assert_allclose(rows, expected, atol=ROUNDING)

    def test_without_rows_gives_none(self, context: Context) -> None:
        assert context.decode([Piece(0, prompt_of("ka"), 0)]).shape == (0, N_VOCAB)

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(passes=st.lists(st.dictionaries(slots, syllables, min_size=1), min_size=1, max_size=6))
    def test_sequences_in_it_do_not_see_each_other(
        self, opened: Context, alone: Context, passes: list[dict[int, list[int]]]
    ) -> None:
        opened.reset()
        texts: list[list[int]] = [[] for _ in range(N_SLOTS)]
        for new in passes:
            rows = iter(opened.decode([Piece(slot, tokens, len(tokens)) for slot, tokens in new.items()]))
            for slot, tokens in new.items():
                texts[slot] += tokens
                for expected in rows_of(alone, texts[slot])[-len(tokens) :]:
                    np.testing.assert_allclose(next(rows), expected, atol=ROUNDING)
        assert opened.lengths == [len(text) for text in texts] == [opened.cells(slot) for slot in range(N_SLOTS)]

    @pytest.mark.parametrize(
        "pieces", [[], [Piece(0, [], 0)], [Piece(0, [], 0), Piece(1, [], 0)]], ids=["no piece", "empty", "all empty"]
    )
    def test_of_no_tokens_is_refused(self, context: Context, pieces: list[Piece]) -> None:
        with pytest.raises(LlamaError, match="at least one token"):
            context.decode(pieces)

    @pytest.mark.parametrize("lengths", [(N_BATCH + 1,), (N_BATCH, 1), (100, 100, 57)])
    def test_that_is_too_wide_is_refused(self, context: Context, lengths: tuple[int, ...]) -> None:
        with pytest.raises(LlamaError, match=f"at most {N_BATCH} tokens"):
            context.decode([Piece(slot, [BOS] * n, 0) for slot, n in enumerate(lengths)])

    @pytest.mark.parametrize("rows", [(MAX_OUTPUTS + 1,), (20, 20, 12)])
    def test_that_asks_for_more_rows_than_there_is_room_for_is_refused(
        self, context: Context, rows: tuple[int, ...]
    ) -> None:
        with pytest.raises(LlamaError, match=f"at most {MAX_OUTPUTS} rows of logits, not {MAX_OUTPUTS + 1}"):
            context.decode([Piece(slot, [BOS] * n, n) for slot, n in enumerate(rows)])

    def test_over_a_token_that_does_not_exist_fails(self, context: Context) -> None:
        with pytest.raises(LlamaError, match="failed with status -1 on 3 tokens"):
            context.decode([Piece(0, [BOS], 0), Piece(1, [BOS, N_VOCAB], 1)])

    def test_that_was_refused_has_never_been(self, context: Context, alone: Context) -> None:
        text = prompt_of("ka ti mo")
        context.decode([Piece(1, text[:-1], 0)])
        for refused in (
            [Piece(1, [BOS], 1), Piece(0, [BOS] * N_BATCH, 0)],
            [Piece(1, [BOS] * (MAX_OUTPUTS + 1), MAX_OUTPUTS + 1)],
            [Piece(1, [BOS], 1), Piece(0, [N_VOCAB], 0)],
        ):
            with pytest.raises(LlamaError):
                context.decode(refused)
            assert context.lengths == [0, len(text) - 1, 0] == [context.cells(slot) for slot in range(N_SLOTS)]
        (row,) = context.decode([Piece(1, text[-1:], 1)])
        np.testing.assert_allclose(row, rows_of(alone, text)[-1], atol=ROUNDING)


class TestTakingBack:
    def test_what_is_taken_back_has_never_been(self, context: Context, alone: Context) -> None:
        text, regretted = prompt_of("ka ti mo"), prompt_of("so sa ta")[1:]
        context.decode([Piece(0, (*text[:-1], *regretted), 0), Piece(1, regretted, 0)])
        context.truncate(0, len(text) - 1)
        assert context.lengths == [len(text) - 1, len(regretted), 0]
        assert [context.cells(slot) for slot in range(N_SLOTS)] == context.lengths
        rows = context.decode([Piece(0, text[-1:], 1), Piece(1, text[-1:], 1)])
        expected = [rows_of(alone, text)[-1], rows_of(alone, (*regretted, text[-1]))[-1]]
        np.testing.assert_allclose(rows, expected, atol=ROUNDING)

    @pytest.mark.parametrize("length", [3, 4, 100])
    def test_nothing_changes_nothing(self, context: Context, length: int) -> None:
        context.decode([Piece(1, prompt_of("ka ti"), 0)])
        context.truncate(1, length)
        assert context.lengths == [0, 3, 0]
        assert context.cells(1) == 3

    def test_everything_leaves_an_empty_slot(self, context: Context, alone: Context) -> None:
        context.decode([Piece(1, prompt_of("ka ti"), 0)])
        context.truncate(1, 0)
        assert (context.lengths[1], context.cells(1)) == (0, 0)
        (row,) = context.decode([Piece(1, prompt_of("mo"), 1)])
        np.testing.assert_allclose(row, rows_of(alone, prompt_of("mo"))[-1], atol=ROUNDING)

    def test_a_reset_forgets_every_slot(self, context: Context) -> None:
        context.decode([Piece(slot, prompt_of("ka ti"), 0) for slot in range(N_SLOTS)])
        context.reset()
        assert context.lengths == [0] * N_SLOTS == [context.cells(slot) for slot in range(N_SLOTS)]


class TestSharing:
    @pytest.mark.parametrize("own", [0, 1, 3])
    def test_a_slot_goes_on_from_where_it_ends_with_the_cells_of_another(
        self, context: Context, alone: Context, own: int
    ) -> None:
        text, rest = prompt_of("ka ti mo so"), prompt_of("sa")[1:]
        context.decode([Piece(2, text, 0)])
        if own:
            context.decode([Piece(0, text[:own], 0)])
        context.share(2, 0, len(text) - 1)
        assert context.lengths == [len(text) - 1, 0, len(text)]
        assert [context.cells(slot) for slot in range(N_SLOTS)] == context.lengths
        (row,) = context.decode([Piece(0, rest, 1)])
        np.testing.assert_allclose(row, rows_of(alone, (*text[:-1], *rest))[-1], atol=ROUNDING)

    def test_what_is_shared_outlives_where_it_came_from(self, context: Context, alone: Context) -> None:
        text, one, other = prompt_of("ka ti mo so"), prompt_of("sa ta")[1:], prompt_of("ki ka")[1:]
        context.decode([Piece(0, text, 0)])
        context.share(0, 1, len(text))
        context.truncate(0, 2)
        rows = context.decode([Piece(0, one, 1), Piece(1, other, 1)])
        expected = [rows_of(alone, (*text[:2], *one))[-1], rows_of(alone, (*text, *other))[-1]]
        np.testing.assert_allclose(rows, expected, atol=ROUNDING)

    def test_a_shared_beginning_costs_no_cells(self, context: Context) -> None:
        # Slots 0 and 1 share one slot's worth of cells, slot 2 fills another, so that one must be left for slot 0.
        context.decode([Piece(0, [BOS] * N_CTX, 0)])
        context.share(0, 1, N_CTX)
        context.decode([Piece(2, [BOS] * N_CTX, 0)])
        context.decode([Piece(0, [BOS] * N_CTX, 0)])
        with pytest.raises(LlamaError, match="full"):
            context.decode([Piece(0, [BOS], 0)])

    def test_shared_cells_are_free_when_the_last_slot_has_given_them_up(self, context: Context) -> None:
        context.decode([Piece(0, [BOS] * N_CTX, 0)])
        context.share(0, 1, N_CTX)
        for _ in range(N_SLOTS - 1):
            context.decode([Piece(2, [BOS] * N_CTX, 0)])
        context.truncate(0, 0)
        with pytest.raises(LlamaError, match="full"):
            context.decode([Piece(0, [BOS], 0)])
        context.truncate(1, 0)
        context.decode([Piece(0, [BOS] * N_CTX, 0)])

    @pytest.mark.parametrize("length", [1, 5])
    def test_it_neither_shortens_a_slot_nor_takes_more_than_there_is(self, context: Context, length: int) -> None:
        context.decode([Piece(0, prompt_of("ka ti mo"), 0), Piece(1, prompt_of("ka"), 0)])
        with pytest.raises(LlamaError, match=f"Positions 2 to {length} of slot 0 cannot be shared with slot 1"):
            context.share(0, 1, length)
        assert context.lengths == [4, 2, 0] == [context.cells(slot) for slot in range(N_SLOTS)]


class TestRoom:
    def test_every_slot_can_be_full(self, context: Context) -> None:
        assert context.n_ctx == N_CTX
        for slot in range(N_SLOTS):
            context.decode([Piece(slot, [BOS] * N_CTX, 1)])
        assert context.lengths == [N_CTX] * N_SLOTS

    def test_a_full_cache_says_so_and_goes_on_once_there_is_room(self, context: Context, alone: Context) -> None:
        text = prompt_of("ka ti mo so")
        context.decode([Piece(0, text, 0)])
        context.decode([Piece(1, [BOS] * (N_CTX - len(text)), 0)])
        for _ in range(N_SLOTS - 1):
            context.decode([Piece(2, [BOS] * N_CTX, 0)])
        before = list(context.lengths)
        with pytest.raises(LlamaError, match="The context is full"):
            context.decode([Piece(0, [BOS], 1)])
        assert context.lengths == before == [context.cells(slot) for slot in range(N_SLOTS)]
        context.truncate(2, 2 * N_CTX - 1)
        (row,) = context.decode([Piece(0, [BOS], 1)])
        np.testing.assert_allclose(row, rows_of(alone, (*text, BOS))[-1], atol=ROUNDING)

    def test_there_is_at_least_as_much_as_was_asked_for(self, target: Model) -> None:
        with closing(Context(target, n_ctx=100, n_slots=N_SLOTS, n_threads=1, max_outputs=N_SLOTS)) as context:
            assert context.n_ctx >= 100

    def test_a_pass_is_never_wider_than_the_cache(self, target: Model) -> None:
        with closing(Context(target, n_ctx=256, n_threads=1, max_outputs=1, n_batch=512)) as context:
            assert context.n_batch == 256
            with pytest.raises(LlamaError, match="at most 256 tokens"):
                context.decode([Piece(0, [BOS] * 257, 1)])

    def test_a_context_can_be_closed_twice(self, target: Model) -> None:
        context = Context(target, n_ctx=256, n_threads=1, max_outputs=1)
        context.close()
        context.close()


class TestThreads:
    @pytest.fixture
    def context(self, target: Model) -> Iterator[Context]:
        with closing(
            Context(target, n_ctx=256, n_threads=2, n_threads_batch=3, max_outputs=9, attention="exact")
        ) as context:
            yield context

    def test_narrow_and_wide_passes_have_counts_of_their_own(self, context: Context) -> None:
        assert (context.threads_for(1), context.threads_for(2), context.threads_for(256)) == (2, 3, 3)
        assert llama_cpps_threads(context) == (2, 3)

    def test_the_counts_are_one_unless_told_otherwise(self, target: Model) -> None:
        with closing(Context(target, n_ctx=256, n_threads=2, max_outputs=1)) as context:
            assert (context.threads_for(1), context.threads_for(2)) == (2, 2)
            assert llama_cpps_threads(context) == (2, 2)

    def test_a_wish_holds_for_every_width_until_it_is_taken_back(self, context: Context) -> None:
        context.use_threads(1)
        assert (context.threads_for(1), context.threads_for(9)) == (1, 1)
        assert llama_cpps_threads(context) == (1, 1)
        context.decode([Piece(0, prompt_of("ka ti"), 1)])
        assert llama_cpps_threads(context) == (1, 1)
        context.use_threads(None)
        assert (context.threads_for(1), context.threads_for(9)) == (2, 3)
        assert llama_cpps_threads(context) == (2, 3)

    def test_they_do_not_change_what_a_pass_gives(self, context: Context, alone: Context) -> None:
        text = prompt_of("ka ti mo so sa")
        expected = rows_of(alone, text)
        for threads in (1, 2, 4, None):
            context.reset()
            context.use_threads(threads)
            np.testing.assert_allclose(context.decode([Piece(0, text, len(text))]), expected, atol=ROUNDING)


def llama_cpps_threads(context: Context) -> tuple[int, int]:
    """Return what llama.cpp itself says of its threads for narrow and wide passes."""
    return capi.llama_n_threads(context._pointer), capi.llama_n_threads_batch(context._pointer)


def test_more_rows_of_logits_than_tokens_are_refused(context: Context) -> None:
    with pytest.raises(LlamaError, match="1 tokens have no 2 rows"):
        context.decode([Piece(0, [BOS], 2)])
