from halospec.analysis.manipulation import Verdict, manipulation
from halospec.records.schema import CountSource
from summarized import measured


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
    assert judged(make_record, (4, 30, 8), (4, 32, 8)).verdict is Verdict.CANNOT_TELL
    assert judged(make_record, (0, 0, 31)).verdict is Verdict.CANNOT_TELL


def test_neighbouring_draft_lengths_show_nothing(make_record):
    assert judged(make_record, (7, 35, 7), (8, 37, 7)).verdict is Verdict.CANNOT_TELL


def test_unknown_counts_failures_and_unknown_k_are_no_evidence(make_record):
    records = [
        make_record(draft_length=0),
        make_record(draft_length=8),
        make_record(draft_length=0, drafted=99, success=False, error="stream cut"),
        make_record(draft_length=None, drafted=10),
    ]
    found = manipulation(measured(records))
    assert found.verdict is Verdict.CANNOT_TELL
    assert "no drafted counts" in found.reason
    assert manipulation(measured([])).verdict is Verdict.CANNOT_TELL


LLAMA_SERVER_DRAFT_MODEL = {0: (0, None), 1: (48, 47), 2: (63, 63), 3: (72, 71), 4: (79, 75), 8: (87, 84)}
"""k: (drafted, accepted) of 96 tokens, as llama-server b11434 counted them when started anew for each k; it counts no
rounds, and nothing at all where nothing is drafted (which then arrives as 0)."""


def of_llama_server(make_record, *lengths, counts=LLAMA_SERVER_DRAFT_MODEL, **fields):
    records = [
        make_record(
            mode=f"fixed_{k}", draft_length=k, drafted=counts[k][0], accepted=counts[k][1],
            completion_tokens=96, drafted_from=CountSource.TIMINGS, **fields,
        )
        for k in lengths
    ]  # fmt: skip
    return manipulation(measured(records))


def test_a_run_through_restarts_on_a_server_that_counts_no_rounds_is_obedience(make_record):
    found = of_llama_server(make_record, 0, 1, 2, 3, 4, 8, knob="restart", switch_ms=900.0)
    assert found.verdict is Verdict.OBEYED
    assert "from 0 to 8 in all 6 requests" in found.reason


def test_long_drafts_that_are_mostly_accepted_are_told_apart_by_the_rounds_that_follow_from_the_totals(make_record):
    # 79 and 87 of 96 tokens drafted differ by less than a tenth, 3.95 and 7.91 tokens a round do not.
    assert of_llama_server(make_record, 4, 8).verdict is Verdict.OBEYED


def test_a_server_that_keeps_the_k_it_was_started_with_is_found_out_without_round_counts(make_record):
    always_8 = dict.fromkeys(range(9), LLAMA_SERVER_DRAFT_MODEL[8])
    assert of_llama_server(make_record, 0, 8, counts=always_8).verdict is Verdict.IGNORED
    found = of_llama_server(make_record, 1, 8, counts=always_8)
    assert found.verdict is Verdict.IGNORED
    assert found.reason.endswith("(7.91 and 7.91 tokens per round)")


def test_an_alias_with_too_long_a_draft_is_a_violation_without_round_counts(make_record):
    swapped = LLAMA_SERVER_DRAFT_MODEL | {2: LLAMA_SERVER_DRAFT_MODEL[4]}
    found = of_llama_server(make_record, 0, 2, 8, counts=swapped)
    assert found.verdict is Verdict.VIOLATED
    assert found.reason == "a request with k = 2 drafted 79 tokens in at most 22 rounds"


def test_tokens_accepted_beyond_the_end_of_the_reply_are_no_violation(make_record):
    # Three full rounds of 8, the last of them cut after its first token: 1 + 9 + 9 + 1 tokens.
    cut = make_record(draft_length=8, drafted=24, accepted=24, completion_tokens=20)
    plain = make_record(draft_length=0, drafted=0, completion_tokens=20)
    assert manipulation(measured([plain, cut])).verdict is Verdict.OBEYED


def n_grams(text_tokens, drafting_rounds, k, accepted_each):
    """(drafted, accepted, rounds) of a drafter that finds a match in few rounds only."""
    plain_rounds = text_tokens - 1 - drafting_rounds * (accepted_each + 1)
    return k * drafting_rounds, accepted_each * drafting_rounds, plain_rounds + drafting_rounds


def by_n_grams(make_record, *requests, rounds_counted):
    records = []
    for k, drafting_rounds, accepted_each in requests:
        drafted, accepted, rounds = n_grams(400, drafting_rounds, k, accepted_each)
        records.append(
            make_record(
                draft_length=k,
                drafted=drafted,
                accepted=accepted,
                completion_tokens=400,
                rounds=rounds if rounds_counted else None,
            )
        )
    return manipulation(measured(records)).verdict


def test_n_gram_drafters_that_rarely_find_a_match_are_obedient_too(make_record):
    for rounds_counted in (True, False):
        # The same 18 repeated tokens: drafted one, four or eight at a time, all accepted.
        everything = [(0, 0, 0), (1, 9, 1), (8, 2, 8)]
        assert by_n_grams(make_record, *everything, rounds_counted=rounds_counted) is Verdict.OBEYED
        assert by_n_grams(make_record, *everything[1:], rounds_counted=rounds_counted) is Verdict.OBEYED
        # Every guess wrong.
        assert by_n_grams(make_record, (1, 10, 0), (8, 10, 0), rounds_counted=rounds_counted) is Verdict.OBEYED


def test_rare_drafts_of_4_and_8_look_alike_though_obeyed_so_nothing_is_said_against_the_server(make_record):
    # 50 repeated tokens in 10 rounds of 4, or 45 of them in 5 rounds of 8: 40 drafted either way.
    for rounds_counted in (True, False):
        verdict = by_n_grams(make_record, (4, 10, 4), (8, 5, 8), rounds_counted=rounds_counted)
        assert verdict is Verdict.CANNOT_TELL


def test_tokens_that_are_events_give_no_rounds(make_record):
    # One event a round: 11 events at k = 8, so 96 - 1 - 84 rounds would be nonsense.
    records = [
        make_record(draft_length=1, drafted=48, accepted=47, completion_tokens=48, tokens_from=CountSource.EVENTS),
        make_record(draft_length=8, drafted=87, accepted=84, completion_tokens=11, tokens_from=CountSource.EVENTS),
    ]
    assert manipulation(measured(records)).verdict is Verdict.OBEYED


def test_less_drafting_at_a_higher_k_shows_nothing(make_record):
    found = judged(make_record, (1, 10, 10), (8, 5, 10))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason == "less was drafted at k = 8 than at k = 1 (1.00 and 0.50 tokens per round)"


def test_drafts_of_replies_of_unknown_length_show_nothing(make_record):
    records = [make_record(draft_length=k, drafted=k, completion_tokens=None) for k in (1, 8)]
    assert manipulation(measured(records)).verdict is Verdict.CANNOT_TELL
