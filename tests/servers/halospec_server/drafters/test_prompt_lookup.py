from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.prompt_lookup import PromptLookupDrafter
from halospec_server.drafters.protocol import DraftRequest, Followed

chunks = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@dataclass(frozen=True)
class Bans:
    """All that this drafter looks at of a request's rules."""

    banned: frozenset[int]


def asking(
    tokens: Sequence[int], k: int = 4, slot: int = 0, banned: Sequence[int] = (), p_min: float = 0.0
) -> DraftRequest:
    rules = cast(LogitRules, Bans(frozenset(banned)))
    return DraftRequest(slot, tokens, k, Sampling(1.0), rules, np.random.default_rng(0), p_min)


def propose(drafter: PromptLookupDrafter, tokens: Sequence[int], k: int = 4, banned: Sequence[int] = ()) -> list[int]:
    [draft] = drafter.propose([asking(tokens, k, banned=banned)], [])
    assert draft.distributions is None
    return list(draft.tokens)


def fresh(max_ngram: int = 4, min_ngram: int = 2, n_slots: int = 1) -> PromptLookupDrafter:
    drafter = PromptLookupDrafter(max_ngram, min_ngram)
    for slot in range(n_slots):
        drafter.begin(slot, (), reuse=True)
    return drafter


def found_by_scanning(tokens: Sequence[int], k: int, max_ngram: int, min_ngram: int) -> list[int]:
    for size in range(max_ngram, min_ngram - 1, -1):
        for start in range(len(tokens) - size - 1, -1, -1):
            if list(tokens[start : start + size]) == list(tokens[len(tokens) - size :]):
                written = list(tokens)
                for i in range(k):
                    written.append(written[start + size + i])
                return written[len(tokens) :]
    return []


@given(
    rounds=st.lists(st.lists(chunks, min_size=3, max_size=3), min_size=1, max_size=8),
    k=st.integers(1, 8),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)).map(sorted),
)
def test_in_every_slot_it_proposes_what_a_scan_of_that_text_would_find(
    rounds: list[list[list[int]]], k: int, sizes: list[int]
) -> None:
    min_ngram, max_ngram = sizes
    drafter = fresh(max_ngram, min_ngram, n_slots=3)
    texts: list[list[int]] = [[], [], []]
    for new in rounds:
        for text, chunk in zip(texts, new, strict=True):
            text += chunk
        drafts = drafter.propose([asking(text, k, slot) for slot, text in enumerate(texts)], [])
        assert [list(draft.tokens) for draft in drafts] == [
            found_by_scanning(text, k, max_ngram, min_ngram) for text in texts
        ]


@given(prompt=st.lists(st.integers(0, 2), min_size=1, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_how_a_prompt_was_taken_in_makes_no_difference(prompt: list[int], cuts: list[int]) -> None:
    drafter = fresh()
    for length in sorted(min(cut, len(prompt)) for cut in cuts):
        assert drafter.propose([], [Followed(0, prompt, length)]) == []
    assert propose(drafter, prompt) == found_by_scanning(prompt, 4, 4, 2)


def test_the_most_recent_occurrence_counts() -> None:
    assert propose(fresh(), [1, 2, 7, 1, 2, 8, 9, 1, 2]) == [8, 9, 1, 2]


def test_a_longer_occurrence_counts_before_a_more_recent_one() -> None:
    assert propose(fresh(), [5, 1, 2, 7, 0, 1, 2, 8, 5, 1, 2], k=1) == [7]


def test_a_repetition_is_carried_on_past_the_end_of_the_text() -> None:
    assert propose(fresh(), [1, 2, 7, 1, 2], k=8) == [7, 1, 2, 7, 1, 2, 7, 1]
    assert propose(fresh(), [5, 5, 5], k=4) == [5, 5, 5, 5]


def test_new_words_get_no_proposal() -> None:
    assert propose(fresh(), [1, 2, 3, 4]) == []
    assert propose(fresh(), [1]) == []


def test_a_single_repeated_token_is_too_little_by_default() -> None:
    assert propose(fresh(), [1, 2, 3, 1]) == []


def test_the_proposal_ends_before_a_banned_token() -> None:
    assert propose(fresh(), [1, 2, 7, 0, 8, 1, 2], banned=[0]) == [7]
    assert propose(fresh(), [1, 2, 0, 8, 1, 2], banned=[0]) == []


def test_p_min_does_not_shorten_what_has_no_known_probability() -> None:
    [draft] = fresh().propose([asking([1, 2, 7, 1, 2], k=3, p_min=1.0)], [])
    assert draft.tokens == (7, 1, 2)


def test_a_slot_knows_nothing_of_another_ones_text() -> None:
    drafter = fresh(n_slots=2)
    mine, other = drafter.propose([asking([1, 2, 7, 1, 2], k=1, slot=0), asking([1, 2], k=1, slot=1)], [])
    assert (mine.tokens, other.tokens) == ((7,), ())


def test_a_new_text_in_a_slot_knows_nothing_of_the_last_one() -> None:
    drafter = fresh()
    assert propose(drafter, [1, 2, 7, 1, 2], k=1) == [7]
    drafter.end(0, [1, 2, 7, 1, 2])
    assert not drafter._indexes, "what a text needed is given back when it ends"
    drafter.begin(0, (1, 2), reuse=True)
    assert propose(drafter, [1, 2]) == []


def test_a_reset_forgets_every_text() -> None:
    drafter = fresh()
    assert propose(drafter, [1, 2, 7, 1, 2], k=1) == [7]
    drafter.reset()
    drafter.begin(0, (1, 2), reuse=True)
    assert propose(drafter, [1, 2]) == []


@pytest.mark.parametrize(("max_ngram", "min_ngram"), [(2, 3), (2, 0)])
def test_sizes_that_make_no_sense_are_refused(max_ngram: int, min_ngram: int) -> None:
    with pytest.raises(ValueError, match="required"):
        PromptLookupDrafter(max_ngram, min_ngram)
