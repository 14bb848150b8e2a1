"""Servers described by what they draft, and what is to be said of each."""

from __future__ import annotations

import random

import pytest

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.endpoints.types import CountSource
from halospec.probe.count_verdict import judge_counts
from halospec.records.probe import Basis, Verdict
from halospec.records.schema import Round

SILENT = SpeculationFacts()
BLOCKS = (1, 2, 3)


@pytest.fixture
def judged(make_canary):
    """Judge a server by its rounds: for each k, how many tokens it drafts in each (of which it keeps all but one)."""

    def judge(drafts_at, *, blocks=BLOCKS, logged=False, speculation=SILENT):
        canaries = []
        for block in blocks:
            for k, drafts in drafts_at.items():
                rounds = [Round(k=n, accepted=max(0, n - 1)) for n in (drafts(block) if callable(drafts) else drafts)]
                drafted, accepted = sum(one.k for one in rounds), sum(one.accepted for one in rounds)
                tokens = 1 + accepted + len(rounds)
                log = rounds if logged else None
                canaries.append(make_canary(k, block, counted=(drafted, accepted), rounds=log, tokens=tokens))
        return judge_counts(canaries, speculation, seed=1)

    return judge


@pytest.mark.parametrize("logged", [True, False])
def test_a_server_that_drafts_as_it_is_told_obeys(judged, logged):
    found = judged({0: [0] * 31, 1: [1] * 20, 8: [8, 8, 8, 8, 6]}, logged=logged)

    assert (found.verdict, found.basis) == (Verdict.OBEYED, Basis.COUNTS)
    assert found.reason == ("what is drafted follows k: 0.00 tokens a round at k = 0, 1.00 at k = 1 and 7.60 at k = 8")


def test_a_draft_model_that_ends_its_drafts_early_obeys_all_the_same(judged):
    found = judged({0: [0] * 31, 1: [1] * 18, 8: [3, 2, 4, 1, 3, 2, 4, 3]}, logged=True)

    assert found.verdict is Verdict.OBEYED
    assert found.reason.endswith("; never more than 4 in one round at k = 8")


def test_where_single_rounds_are_not_known_few_drafts_a_round_are_pointed_out(judged):
    found = judged({0: [0] * 31, 1: [1] * 18, 8: [4] * 8})

    assert found.verdict is Verdict.OBEYED
    assert found.reason.endswith(
        "4.00 at k = 8, well below 8: drafts end early or are missing, or the server caps them"
    )


def test_an_n_gram_drafter_that_seldom_finds_anything_obeys(judged):
    found = judged({0: [0] * 31, 1: [0] * 15 + [1] * 8, 8: [0] * 15 + [8, 8]})

    assert found.verdict is Verdict.OBEYED


def test_an_n_gram_drafter_that_needs_a_longer_k_obeys(judged):
    """As llama-server's ngram-simple does, which drafts nothing below its size-n."""
    assert judged({0: [0] * 31, 1: [0] * 31, 8: [0] * 10 + [8, 8]}).verdict is Verdict.OBEYED


def test_the_same_drafts_at_every_k_are_a_knob_that_is_not_connected(judged):
    found = judged({k: [3] * 8 for k in (0, 1, 8)})

    assert (found.verdict, found.basis) == (Verdict.IGNORED, Basis.COUNTS)
    assert found.reason == (
        "k changes nothing in what is drafted: 3.00 tokens a round at k = 0, 3.00 at k = 1 and 3.00 at k = 8"
    )


@pytest.mark.parametrize("default", [1, 8])
def test_a_server_whose_own_k_happens_to_be_one_of_ours_does_not_obey(judged, default):
    assert judged({k: [default] * 10 for k in (0, 1, 8)}).verdict is Verdict.IGNORED


def test_an_n_gram_drafter_whose_drafts_differ_between_prompts_but_not_with_k_ignores_it(judged):
    def by_prompt(block):
        return [0] * (10 * block) + [8] * block

    assert judged(dict.fromkeys((0, 1, 8), by_prompt)).verdict is Verdict.IGNORED


def test_a_canary_that_failed_does_not_make_prompts_look_like_draft_lengths(make_canary):
    canaries = [make_canary(k, b, counted=(8 * b * b, 4 * b * b)) for k in (0, 1, 8) for b in BLOCKS]
    canaries[5] = make_canary(1, 3, failed="The reply was cut.")

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.IGNORED


def test_nothing_drafted_at_any_k_is_ignored(judged):
    found = judged({k: [0] * 31 for k in (0, 1, 8)})

    assert found.verdict is Verdict.IGNORED
    assert found.reason == (
        "nothing was drafted, though up to k = 8 was asked for; it may be that no draft is configured on the server"
    )


@pytest.mark.parametrize("tokens", [1, 2])
def test_replies_that_end_at_once_leave_no_room_to_draft_in(make_canary, tokens):
    canaries = [make_canary(k, b, counted=(0, 0), tokens=tokens) for k in (0, 1, 8) for b in BLOCKS]

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason.startswith(f"nothing was drafted, but replies end after {tokens}.0 tokens on average")
    says = SpeculationFacts(configured=False, says="/slots: speculative is false")
    told = judge_counts(canaries, says, seed=1)
    assert told is not None
    assert told.verdict is Verdict.IGNORED


def test_three_tokens_are_room_enough_to_draft_one(make_canary):
    canaries = [make_canary(k, b, counted=(0, 0), tokens=3) for k in (0, 1, 8) for b in BLOCKS]
    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.IGNORED


def test_nothing_drafted_by_a_server_that_says_why(judged):
    says = SpeculationFacts(configured=False, says="/slots: speculative is false")
    found = judged({k: [0] * 31 for k in (0, 1, 8)}, speculation=says)

    assert found.verdict is Verdict.IGNORED
    assert found.reason.endswith("no draft is configured on the server (/slots: speculative is false)")


def test_a_server_that_takes_zero_for_its_default_is_not_obedient_and_not_deaf(judged):
    found = judged({0: [4] * 7, 1: [1] * 16, 8: [8] * 4})

    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason == (
        "a longer k drafts more, but k = 0 does not switch drafting off (4.00 tokens a round at k = 0, 1.00 at k = 1"
        " and 8.00 at k = 8); compare draft lengths from 1 on"
    )


def test_a_few_blocks_do_not_show_that_counts_change_with_k(judged):
    drafts = {0: [4] * 7, 1: [1] * 16, 8: [8] * 4}

    assert judged(drafts, blocks=range(1, 6)).more_may_tell
    assert not judged(drafts, blocks=range(1, 7)).more_may_tell


def test_more_than_k_a_round_is_not_as_asked(judged):
    found = judged({0: [0] * 31, 1: [3] * 8, 8: [8] * 4})

    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason.startswith("counts change with k, but more is drafted than k = 1 allows (0.00 tokens a round")


def test_one_round_beyond_k_is_enough_where_single_rounds_are_known(judged):
    drafts = {0: [0] * 31, 1: [1] * 14 + [0] * 3 + [2], 8: [8] * 4}

    assert judged(drafts, logged=True).verdict is Verdict.CANNOT_TELL


def test_rounds_that_follow_from_totals_are_uncertain_by_one_at_the_replys_end(make_canary):
    """A reply whose last round was cut: 16 drafts of 1 were all kept, and one token of the last round is missing."""
    canaries = [make_canary(k, b, counted=(16 * k, 16 * k), tokens=32) for k in (0, 1) for b in BLOCKS]

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.OBEYED


def test_k_that_only_switches_drafting_on_is_not_a_draft_length(judged):
    found = judged({0: [0] * 31, 1: [1] * 16, 8: [1] * 16}, logged=True)

    assert found.verdict is Verdict.CANNOT_TELL
    assert "k switches drafting on and off, but k = 1 and k = 8 draft the same" in found.reason


def test_without_k_0_equal_drafts_may_be_drafts_that_end_early(judged):
    found = judged({2: [2, 1, 2, 1] * 3, 4: [2, 1, 2, 1] * 3})

    assert found.verdict is Verdict.CANNOT_TELL
    assert "drafts may end before k does" in found.reason


def test_without_k_0_equal_drafts_beyond_the_shortest_k_are_ignorance(judged):
    assert judged({2: [4] * 6, 4: [4] * 6}).verdict is Verdict.IGNORED


def test_without_k_0_more_has_to_be_drafted_than_the_shortest_k_allows(judged):
    chance = random.Random(3)

    def noisy(mean):
        return lambda _block: [chance.choice([1, 2]) if chance.random() < mean - 1 else 1 for _ in range(12)]

    assert judged({2: noisy(1.2), 4: noisy(1.9)}).verdict is Verdict.CANNOT_TELL
    assert judged({2: [2, 1, 2, 2] * 3, 4: [4, 1, 4, 3] * 2}).verdict is Verdict.OBEYED


def test_drafts_that_scatter_without_k_need_more_pairs_and_are_then_ignorance(judged):
    def server(seed):
        chance = random.Random(seed)
        return {k: lambda _block: [chance.randint(1, 5) for _ in range(9)] for k in (0, 1, 8)}

    few = [judged(server(seed)) for seed in range(40)]
    assert not any(found.verdict is Verdict.OBEYED for found in few)
    undecided = [found for found in few if found.verdict is Verdict.CANNOT_TELL]
    assert undecided
    assert all(found.more_may_tell for found in undecided)

    many = [judged(server(seed), blocks=range(1, 21)) for seed in range(20)]
    assert sum(found.verdict is Verdict.IGNORED for found in many) >= 18


def test_where_the_ends_have_many_blocks_what_rose_in_three_others_shows_nothing(make_canary):
    canaries = [make_canary(0, b, counted=(60, 15)) for b in range(1, 12)]
    canaries += [make_canary(1, b, counted=(80, 15)) for b in BLOCKS]
    canaries += [make_canary(8, b, counted=(30 if b % 2 else 100, 15)) for b in range(1, 12)]

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.CANNOT_TELL
    assert "counts change with k" not in found.reason
    assert found.reason.endswith("; more canaries may tell (`halospec probe --blocks 22`)")


def test_random_drafts_are_never_taken_for_obedience(judged):
    chance = random.Random(9)
    for _ in range(200):
        drafts = {k: lambda _block: [chance.randint(0, 2) for _ in range(6)] for k in (0, 1, 8)}
        assert judged(drafts).verdict is not Verdict.OBEYED


def test_totals_of_the_server_hold_only_if_it_served_nobody_else(make_canary):
    canaries = [make_canary(k, b, metered=(4 * k, 2 * k, 4 if k else 0)) for k in (0, 1, 8) for b in BLOCKS]

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.OBEYED
    assert found.reason.endswith("by the server's own totals, so this holds if nobody else used it meanwhile")


def test_drafted_without_accepted_is_judged_per_output_token(make_canary):
    def at(k, drafted, block):
        return make_canary(k, block, metered=(drafted, None, None))

    deaf = [at(k, 20, b) for k in (0, 8) for b in BLOCKS]
    obedient = [at(k, 3 * k, b) for k in (0, 8) for b in BLOCKS]

    for canaries, verdict in ((deaf, Verdict.IGNORED), (obedient, Verdict.OBEYED)):
        found = judge_counts(canaries, SILENT, seed=1)
        assert found is not None
        assert found.verdict is verdict
        assert "per output token" in found.reason


def test_too_few_counts_are_no_judgement(make_canary):
    assert judge_counts([make_canary(k, 1, counted=(k, 0)) for k in (0, 1, 8)], SILENT, seed=1) is None
    assert judge_counts([make_canary(k, b) for k in (0, 8) for b in BLOCKS], SILENT, seed=1) is None
    assert judge_counts([], SILENT, seed=1) is None


def test_one_failed_canary_spoils_nothing(make_canary):
    canaries = [make_canary(k, b, counted=(4 * k, 2 * k), source=CountSource.TIMINGS) for k in (0, 8) for b in BLOCKS]
    canaries[-1] = make_canary(8, 3, failed="Timed out.")

    found = judge_counts(canaries, SILENT, seed=1)
    assert found is not None
    assert found.verdict is Verdict.OBEYED
