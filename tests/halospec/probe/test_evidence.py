import pytest

from halospec.endpoints.types import CountSource
from halospec.probe.evidence import (
    counted,
    decode_ms_per_token,
    length_evidence,
    read_together,
    request_ms_per_token,
    tokens_per_burst,
    with_silent_zeros,
)
from halospec.records.schema import Round


def test_rounds_follow_from_the_totals_where_the_server_counts_none(make_canary):
    # The first token comes from the prompt's pass, and 12 of the other 31 were drafted: 19 rounds.
    counts = counted(make_canary(tokens=32, counted=(20, 12)))

    assert counts is not None
    assert (counts.rounds, counts.rounds_told) == (19, False)


def test_a_round_log_is_taken_at_its_word(make_canary):
    log = [Round(k=8, accepted=8), Round(k=8, accepted=5), Round(k=0, accepted=0)]
    counts = counted(make_canary(tokens=17, counted=(16, 13), rounds=log, source=CountSource.SPECULATION))

    assert counts is not None
    assert (counts.rounds, counts.rounds_told, counts.most_in_a_round) == (3, True, 8)


def test_a_servers_own_totals_stand_in_for_a_reply_that_counts_nothing(make_canary):
    counts = counted(make_canary(metered=(24, 10, 4)))

    assert counts is not None
    assert (counts.drafted, counts.rounds, counts.source) == (24, 4, CountSource.METRICS)


def test_what_a_reply_counts_comes_before_totals_that_others_may_have_added_to(make_canary):
    counts = counted(make_canary(counted=(8, 4), metered=(99, 50, 20)))

    assert counts is not None
    assert counts.drafted == 8


def test_failed_and_uncounted_canaries_have_no_counts(make_canary):
    assert counted(make_canary(failed="Timed out.")) is None
    assert counted(make_canary()) is None


def test_silence_is_zero_where_the_server_counts_in_other_replies(make_canary):
    drafting = make_canary(k=8, counted=(16, 12), predicted_ms=300.0)
    silent = make_canary(k=0, predicted_ms=300.0)
    failed = make_canary(k=0, failed="Timed out.")

    _, read, still_failed = with_silent_zeros([drafting, silent, failed])

    assert read.counts is not None
    assert (read.counts.drafted, read.counts.accepted) == (0, 0)
    assert still_failed.counts is None


def test_silence_stays_silence_where_the_server_never_counts_or_has_no_place_for_it(make_canary):
    assert [c.counts for c in with_silent_zeros([make_canary(predicted_ms=300.0), make_canary(k=0)])] == [None, None]

    drafting, other = make_canary(counted=(16, 12), predicted_ms=300.0), make_canary(k=0)
    assert with_silent_zeros([drafting, other])[1].counts is None


def test_usage_details_of_zero_are_read_so_too(make_canary):
    drafting = make_canary(counted=(16, 12), source=CountSource.USAGE)
    silent = make_canary(k=0)

    read = with_silent_zeros([drafting, silent])[1].counts
    assert read is not None
    assert (read.drafted, read.source) == (0, CountSource.USAGE)


def test_decode_time_per_token_leaves_out_the_prompt(make_canary):
    canary = make_canary(event_ms=[500 + 10 * n for n in range(32)], ended_ms=500 + 310)

    assert decode_ms_per_token(canary) == pytest.approx(10.0)
    assert request_ms_per_token(canary) == pytest.approx(810 / 32)


def test_no_decode_time_where_the_reply_came_in_one_piece(make_canary):
    held_back = make_canary(event_ms=[900 + 0.01 * n for n in range(32)])
    unstreamed = make_canary(event_ms=[])

    assert decode_ms_per_token(held_back) is None
    assert tokens_per_burst(held_back) is None
    assert decode_ms_per_token(unstreamed) is None
    assert request_ms_per_token(unstreamed) is not None


def test_tokens_per_burst_counts_tokens_and_not_events(make_canary):
    # One event a round, as the bundled server sends them: 4 tokens in each.
    assert tokens_per_burst(make_canary(tokens=32, event_ms=[50 + 40.0 * n for n in range(8)])) == 4
    # One event a token, in bursts of 4.
    bursty = [50 + 40.0 * n + 0.1 * m for n in range(8) for m in range(4)]
    assert tokens_per_burst(make_canary(tokens=32, event_ms=bursty)) == 4


def test_evidence_sums_counts_and_takes_medians_of_times(make_canary):
    canaries = [
        make_canary(k=8, block=1, counted=(24, 18)),
        make_canary(k=8, block=2, counted=(40, 22)),
        make_canary(k=8, block=3, failed="Timed out."),
        make_canary(k=0, block=1, counted=(0, 0)),
    ]
    evidence = length_evidence(canaries, 8)

    assert (evidence.canaries, evidence.failures, evidence.completion_tokens) == (3, 1, 64)
    assert (evidence.drafted, evidence.accepted, evidence.rounds) == (64, 40, 13 + 9)
    assert evidence.drafted_per_round == pytest.approx(64 / 22)
    assert evidence.most_drafted_in_a_round is None
    assert evidence.tpot_ms == pytest.approx(10.0)


def test_nothing_known_is_none_and_nothing_drafted_is_zero(make_canary):
    assert length_evidence([make_canary(k=0)], 0).drafted is None
    # A server that counts only rounds with a draft has none at k = 0.
    metered = length_evidence([make_canary(k=0, metered=(0, 0, 0))], 0)
    assert (metered.drafted, metered.drafted_per_round) == (0, 0.0)


def test_acceptance_by_position_is_counted_over_the_rounds_that_drafted_so_far(make_canary):
    log = [Round(k=3, accepted=3), Round(k=3, accepted=1), Round(k=1, accepted=0), Round(k=0, accepted=0)]
    evidence = length_evidence([make_canary(counted=(7, 4), rounds=log)], 8)

    assert [(at.position, at.drafted, at.accepted) for at in evidence.accepted_by_position] == [
        (1, 3, 2),
        (2, 2, 1),
        (3, 2, 1),
    ]


def test_totals_that_grow_by_more_than_a_reply_holds_are_somebody_elses_too(make_canary):
    crowded = make_canary(block=1, metered=(90, 30, 31), tokens=32)
    fitting = make_canary(block=2, metered=(60, 20, 11), tokens=32)
    failed = make_canary(block=3, metered=(900, 300, 310), failed="The reply was cut.")

    assert [c.counts is None for c in read_together([crowded, fitting])] == [True, True]
    assert [c.others_counted for c in read_together([crowded, fitting])] == [True, True]
    assert read_together([fitting, failed]) == [fitting, failed]


def test_what_replies_count_themselves_is_not_touched_by_others(make_canary):
    crowded, own = make_canary(metered=(90, 30, 31)), make_canary(block=2, counted=(40, 20))

    assert read_together([crowded, own])[1].counts == own.counts
