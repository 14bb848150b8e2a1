from halospec.analysis.manipulation import Verdict, manipulation
from halospec.analysis.observation import measured


def judged(make_record, *requests):
    """Each request: (k, drafted, rounds)."""
    records = [make_record(draft_length=k, drafted=drafted, rounds=rounds) for k, drafted, rounds in requests]
    return manipulation(measured(records))


def test_counts_that_follow_k_are_obedience(make_record):
    found = judged(make_record, (0, 0, 31), (2, 22, 11), (8, 38, 5))
    assert found.verdict is Verdict.OBEYED
    assert "from 0 to 8 in all 3 requests" in found.reason


def test_a_draft_cut_short_at_the_end_of_a_reply_is_still_obedience(make_record):
    assert judged(make_record, (0, 0, 31), (4, 30, 8)).verdict is Verdict.OBEYED


def test_the_same_drafting_at_every_k_is_a_knob_that_is_not_connected(make_record):
    found = judged(make_record, (0, 24, 8), (2, 24, 8), (8, 25, 8))
    assert found.verdict is Verdict.IGNORED
    assert found.reason == "as much was drafted at k = 0 as at k = 8 (3.00 and 3.12 tokens per round)"


def test_a_server_that_drafts_one_token_whatever_is_asked_is_not_obedient_although_no_bound_is_broken(make_record):
    assert judged(make_record, (1, 10, 10), (4, 10, 10), (8, 10, 10)).verdict is Verdict.IGNORED


def test_a_server_that_never_drafts_ignores_k(make_record):
    found = judged(make_record, (0, 0, 31), (4, 0, 31))
    assert found.verdict is Verdict.IGNORED
    assert found.reason == "nothing was drafted, though up to k = 4 was asked for"


def test_without_round_counts_drafting_is_compared_per_output_token(make_record):
    same = judged(make_record, (0, 16, None), (8, 16, None))
    assert same.verdict is Verdict.IGNORED
    assert "per output token" in same.reason
    assert judged(make_record, (0, 0, None), (8, 40, None)).verdict is Verdict.OBEYED


def test_drafting_at_k_0_is_a_violation_where_other_counts_do_vary(make_record):
    found = judged(make_record, (0, 16, 16), (8, 40, 5))
    assert found.verdict is Verdict.VIOLATED
    assert found.reason == "a request with k = 0 drafted 16 tokens in 16 rounds"


def test_more_than_k_a_round_is_a_violation(make_record):
    assert judged(make_record, (0, 0, 31), (2, 23, 11), (8, 40, 5)).verdict is Verdict.VIOLATED


def test_one_draft_length_shows_nothing(make_record):
    assert judged(make_record, (4, 30, 8), (4, 32, 8)).verdict is Verdict.UNKNOWN
    assert judged(make_record, (0, 0, 31)).verdict is Verdict.UNKNOWN


def test_neighbouring_draft_lengths_show_nothing(make_record):
    assert judged(make_record, (7, 35, 7), (8, 37, 7)).verdict is Verdict.UNKNOWN


def test_unknown_counts_failures_and_unknown_k_are_no_evidence(make_record):
    records = [
        make_record(draft_length=0),
        make_record(draft_length=8),
        make_record(draft_length=0, drafted=99, success=False, error="stream cut"),
        make_record(draft_length=None, drafted=10),
    ]
    found = manipulation(measured(records))
    assert found.verdict is Verdict.UNKNOWN
    assert "no drafted counts" in found.reason
    assert manipulation(()).verdict is Verdict.UNKNOWN
