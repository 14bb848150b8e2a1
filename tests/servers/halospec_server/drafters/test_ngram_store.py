from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.ngram_store import NgramStoreDrafter
from halospec_server.drafters.protocol import DraftRequest, Followed

few_tokens = st.integers(0, 3)


@dataclass(frozen=True)
class Bans:
    """All that this drafter looks at of a request's rules."""

    banned: frozenset[int]


def asking(
    tokens: Sequence[int], k: int = 4, slot: int = 0, banned: Sequence[int] = (), p_min: float = 0.0
) -> DraftRequest:
    rules = cast(LogitRules, Bans(frozenset(banned)))
    return DraftRequest(slot, tokens, k, Sampling(1.0), rules, np.random.default_rng(0), p_min)


def learn(drafter: NgramStoreDrafter, *texts: Sequence[int]) -> None:
    for text in texts:
        drafter.begin(0, text, reuse=True)
        drafter.end(0, text)


def propose(
    drafter: NgramStoreDrafter, tokens: Sequence[int], k: int = 4, banned: Sequence[int] = (), p_min: float = 0.0
) -> list[int]:
    """Ask what would follow a text, as if nothing of it were new."""
    drafter.begin(9, tokens, reuse=True)
    drafter._learned[9] = len(tokens)
    [draft] = drafter.propose([asking(tokens, k, 9, banned, p_min)], [])
    assert draft.distributions is None
    return list(draft.tokens)


@dataclass
class NaiveStore:
    """Every token ever learned, with all that stood before it; counted anew for each proposal."""

    longest: int
    shortest: int
    min_chance: float
    seen: list[tuple[list[int], int]] = field(default_factory=list)

    def learn(self, text: Sequence[int], begin: int) -> None:
        self.seen += [(list(text[:i]), text[i]) for i in range(begin, len(text))]

    def propose(self, text: Sequence[int], k: int) -> list[int]:
        proposed: list[int] = []
        chance = 1.0
        while len(proposed) < k:
            now = [*text, *proposed]
            for size in range(min(self.longest, len(now)), self.shortest - 1, -1):
                followers = [
                    token for before, token in self.seen if len(before) >= size and before[-size:] == now[-size:]
                ]
                if followers:
                    break
            else:
                break
            latest = followers[-16:]
            counts = Counter(latest)
            most = max(counts.values())
            favourite = next(token for token in reversed(latest) if counts[token] == most)
            chance *= most / (len(latest) + 2 / size)
            if chance < self.min_chance:
                break
            proposed.append(favourite)
        return proposed


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    k=st.integers(1, 6),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)).map(sorted),
    min_chance=st.sampled_from([0.0, 0.1, 0.25, 0.5]),
)
def test_it_proposes_what_counting_every_verified_token_once_would_give(
    data: st.DataObject, k: int, sizes: list[int], min_chance: float
) -> None:
    shortest, longest = sizes
    drafter = NgramStoreDrafter(longest, shortest, min_chance=min_chance)
    naive = NaiveStore(longest, shortest, min_chance)
    texts: dict[int, list[int]] = {}
    learned: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 12), label="events")):
        slot = data.draw(st.integers(0, 1), label="slot")
        if slot not in texts:
            prompt = data.draw(st.lists(few_tokens, min_size=1, max_size=8), label="prompt")
            drafter.begin(slot, prompt, reuse=True)
            taken_in = data.draw(st.integers(0, len(prompt)), label="taken in")
            drafter.propose([], [Followed(slot, prompt, taken_in)])
            naive.learn(prompt[:taken_in], 0)
            texts[slot], learned[slot] = prompt, taken_in
        elif data.draw(st.booleans(), label="ends"):
            drafter.end(slot, texts[slot])
            naive.learn(texts.pop(slot), learned.pop(slot))
        else:
            text = texts[slot]
            naive.learn(text, learned[slot])
            learned[slot] = len(text)
            [draft] = drafter.propose([asking(text, k, slot)], [])
            assert list(draft.tokens) == naive.propose(text, k)
            kept = data.draw(st.integers(0, len(draft.tokens)), label="kept")
            text += [*draft.tokens[:kept], data.draw(few_tokens, label="the target's own")]


@given(st.lists(st.tuples(st.lists(few_tokens, min_size=1), st.lists(few_tokens, min_size=1)), min_size=1, max_size=4))
def test_sequences_that_ask_together_learn_from_each_other_before_either_drafts(
    rounds: list[tuple[list[int], list[int]]],
) -> None:
    together, one_by_one = NgramStoreDrafter(), NgramStoreDrafter()
    texts: tuple[list[int], list[int]] = ([], [])
    for drafter in (together, one_by_one):
        drafter.begin(0, (), reuse=True)
        drafter.begin(1, (), reuse=True)
    for new in rounds:
        for text, chunk in zip(texts, new, strict=True):
            text += chunk
        requests = [asking(text, slot=slot) for slot, text in enumerate(texts)]
        drafts = together.propose(requests, [])
        one_by_one.propose(requests, [])
        assert drafts == [one_by_one.propose([request], [])[0] for request in requests]


def test_a_second_identical_request_is_drafted_right_from_its_first_token_on() -> None:
    prompt, reply = list(range(100, 110)), list(range(200, 240))
    drafter = NgramStoreDrafter()
    learn(drafter, [*prompt, *reply])
    drafter.begin(1, prompt, reuse=True)
    text, rounds = list(prompt), 0
    while len(text) < len(prompt) + len(reply):
        left = len(prompt) + len(reply) - len(text)
        [draft] = drafter.propose([asking(text, k=min(4, left), slot=1)], [])
        assert list(draft.tokens) == [*prompt, *reply][len(text) :][: min(4, left)]
        text += draft.tokens
        rounds += 1
    assert rounds == 10


def test_the_most_frequent_continuation_counts_and_of_equally_frequent_ones_the_latest() -> None:
    drafter = NgramStoreDrafter(3, 3, min_chance=0.0)
    learn(drafter, [1, 2, 3, 7], [1, 2, 3, 7], [1, 2, 3, 8])
    assert propose(drafter, [1, 2, 3], k=1) == [7]
    learn(drafter, [1, 2, 3, 8])
    assert propose(drafter, [1, 2, 3], k=1) == [8]


def test_the_longest_known_context_counts() -> None:
    drafter = NgramStoreDrafter()
    learn(drafter, *[[5, 1, 2, 7]] * 4, [6, 1, 2, 8])
    assert propose(drafter, [6, 1, 2], k=1) == [8]
    assert propose(drafter, [9, 1, 2], k=1) == [7]


def test_contexts_of_one_token_are_used_only_if_they_are_asked_for() -> None:
    texts = [[1, 7], [1, 7], [1, 7]]
    with_single, without = NgramStoreDrafter(4, 1), NgramStoreDrafter(4, 2)
    for drafter in (with_single, without):
        learn(drafter, *texts)
    assert propose(with_single, [3, 1], k=1) == [7]
    assert propose(without, [3, 1], k=1) == []


def test_what_is_unknown_is_not_drafted() -> None:
    drafter = NgramStoreDrafter()
    assert propose(drafter, [1, 2, 3]) == []
    learn(drafter, [1, 2, 3])
    assert propose(drafter, [1, 2, 3]) == []
    assert propose(drafter, [8]) == []


def test_a_continuation_that_is_one_of_many_is_not_drafted() -> None:
    drafter = NgramStoreDrafter()
    learn(drafter, *[[1, 2, 3, token] for token in (10, 11, 12, 13, 14)])
    assert propose(drafter, [1, 2, 3]) == []


def test_what_was_seen_more_often_is_followed_further() -> None:
    text = list(range(20))
    drafter = NgramStoreDrafter()
    lengths = []
    for _ in range(3):
        learn(drafter, text)
        lengths.append(len(propose(drafter, text[:6], k=12)))
    assert lengths[0] == 4
    assert lengths == sorted(set(lengths))


def test_habits_fade() -> None:
    drafter = NgramStoreDrafter()
    learn(drafter, *[[1, 2, 3, 7]] * 1000, *[[1, 2, 3, 8]] * 16)
    assert propose(drafter, [1, 2, 3], k=1) == [8]


def test_p_min_ends_a_draft_before_a_token_that_is_not_sure_enough() -> None:
    drafter = NgramStoreDrafter(4, 1, min_chance=0.0)
    learn(drafter, *[[1, 2, 3, 4, 5]] * 2, [2, 3, 4, 5, 6])
    # Seen 2 of 2 times after 3 tokens, 2 of 2 after 4, and 1 of 1 after 4: 2 / (2 + 2/3), 2 / (2 + 2/4), 1 / (1 + 2/4).
    assert propose(drafter, [1, 2, 3], k=3) == [4, 5, 6]
    assert propose(drafter, [1, 2, 3], k=3, p_min=0.75) == [4, 5]
    assert propose(drafter, [1, 2, 3], k=3, p_min=0.76) == []


def test_the_draft_ends_before_a_banned_token() -> None:
    drafter = NgramStoreDrafter(min_chance=0.0)
    learn(drafter, [1, 2, 3, 4, 5, 6])
    assert propose(drafter, [1, 2, 3], banned=[5]) == [4]
    assert propose(drafter, [1, 2, 3], banned=[4]) == []


def test_a_text_that_was_given_up_is_learned_as_far_as_it_came_and_its_slot_begins_anew() -> None:
    drafter = NgramStoreDrafter(3, 1)
    drafter.begin(0, [1, 2, 3], reuse=True)
    drafter.propose([asking([1, 2, 3, 4])], [])
    drafter.end(0, [1, 2, 3, 4, 5])
    assert propose(drafter, [2, 3, 4], k=1) == [5]
    drafter.begin(0, [6, 7], reuse=True)
    drafter.end(0, [6, 7])
    assert propose(drafter, [6], k=1, p_min=0.0) == [7]


def test_a_reset_forgets_everything() -> None:
    drafter = NgramStoreDrafter()
    learn(drafter, list(range(10)))
    assert drafter.n_contexts > 0
    drafter.reset()
    assert drafter.n_contexts == 0
    assert propose(drafter, [1, 2, 3]) == []


@given(
    texts=st.lists(st.lists(st.integers(0, 1000), max_size=60), max_size=6),
    max_contexts=st.integers(1, 40),
)
def test_it_never_holds_more_contexts_than_it_may(texts: list[list[int]], max_contexts: int) -> None:
    drafter = NgramStoreDrafter(max_contexts=max_contexts)
    for text in texts:
        learn(drafter, text)
        assert drafter.n_contexts <= max_contexts


def test_what_one_context_takes_is_bounded_too() -> None:
    drafter = NgramStoreDrafter(1, 1)
    learn(drafter, [token for other in range(2, 500) for token in (1, other)])
    assert len(drafter._followers[1,]) == 16


def test_the_context_unseen_for_longest_is_dropped_first() -> None:
    drafter = NgramStoreDrafter(1, 1, max_contexts=2, min_chance=0.0)
    learn(drafter, [1, 10], [2, 20], [1, 10], [3, 30])
    assert propose(drafter, [1], k=1) == [10]
    assert propose(drafter, [2], k=1) == []
    assert propose(drafter, [3], k=1) == [30]


@pytest.mark.parametrize(
    ("max_ngram", "min_ngram", "max_contexts", "min_chance"),
    [(2, 3, 10, 0.1), (2, 0, 10, 0.1), (4, 1, 0, 0.1), (4, 1, 10, 1.5), (4, 1, 10, -0.1)],
)
def test_settings_that_make_no_sense_are_refused(
    max_ngram: int, min_ngram: int, max_contexts: int, min_chance: float
) -> None:
    with pytest.raises(ValueError):
        NgramStoreDrafter(max_ngram, min_ngram, max_contexts=max_contexts, min_chance=min_chance)
