from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.drafters.prompt_lookup import PromptLookupDrafter
from halospec_server.sampling import Sampling


def propose(drafter: PromptLookupDrafter, tokens: Sequence[int], k: int = 4, banned: Sequence[int] = ()) -> list[int]:
    draft = drafter.propose(tokens, k, Sampling(1.0), np.random.default_rng(0), np.array(banned, dtype=np.int64))
    assert draft.distributions is None
    return list(draft.tokens)


def fresh(max_ngram: int = 4, min_ngram: int = 2) -> PromptLookupDrafter:
    drafter = PromptLookupDrafter(max_ngram, min_ngram)
    drafter.begin((), lambda: False)
    return drafter


def found_by_scanning(tokens: Sequence[int], k: int, max_ngram: int, min_ngram: int) -> list[int]:
    for size in range(max_ngram, min_ngram - 1, -1):
        for start in range(len(tokens) - size - 1, -1, -1):
            if list(tokens[start : start + size]) == list(tokens[len(tokens) - size :]):
                return list(tokens[start + size : start + size + k])
    return []


@given(
    chunks=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8),
    k=st.integers(1, 8),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)).map(sorted),
)
def test_it_proposes_what_a_scan_of_the_whole_text_would_find(
    chunks: list[list[int]], k: int, sizes: list[int]
) -> None:
    min_ngram, max_ngram = sizes
    drafter = fresh(max_ngram, min_ngram)
    tokens: list[int] = []
    for chunk in chunks:
        tokens += chunk
        assert propose(drafter, tokens, k) == found_by_scanning(tokens, k, max_ngram, min_ngram)


def test_the_most_recent_occurrence_counts() -> None:
    assert propose(fresh(), [1, 2, 7, 1, 2, 8, 9, 1, 2]) == [8, 9, 1, 2]


def test_a_longer_occurrence_counts_before_a_more_recent_one() -> None:
    assert propose(fresh(), [5, 1, 2, 7, 0, 1, 2, 8, 5, 1, 2], k=1) == [7]


def test_new_words_get_no_proposal() -> None:
    assert propose(fresh(), [1, 2, 3, 4]) == []
    assert propose(fresh(), [1]) == []


def test_a_single_repeated_token_is_too_little_by_default() -> None:
    assert propose(fresh(), [1, 2, 3, 1]) == []


def test_the_proposal_ends_before_a_banned_token() -> None:
    assert propose(fresh(), [1, 2, 7, 0, 8, 1, 2], banned=[0]) == [7]
    assert propose(fresh(), [1, 2, 0, 8, 1, 2], banned=[0]) == []


def test_a_new_sequence_forgets_the_last_one() -> None:
    drafter = fresh()
    assert propose(drafter, [1, 2, 7, 1, 2]) == [7, 1, 2]
    drafter.begin((1, 2), lambda: False)
    assert propose(drafter, [1, 2]) == []


@pytest.mark.parametrize(("max_ngram", "min_ngram"), [(2, 3), (2, 0)])
def test_sizes_that_make_no_sense_are_refused(max_ngram: int, min_ngram: int) -> None:
    with pytest.raises(ValueError, match="required"):
        PromptLookupDrafter(max_ngram, min_ngram)
