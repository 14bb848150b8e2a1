import pytest

from halospec.endpoints.types import CountSource
from halospec.probe.evidence import decode_ms_per_token
from halospec.probe.paired_tests import BURSTS, DECODE_TIME, REQUEST_TIME, log_ratios, paired_tests
from halospec.probe.time_verdict import judge_time
from halospec.records.probe import Basis, PairedTest, Verdict

UNCHANGED = (1.0, 0.97, 1.03)


def a_test(quantity, ratio, low, high, p=0.5, pairs=12):
    return PairedTest(
        quantity=quantity, shorter=0, longer=8, pairs=pairs, ratio=ratio, low=low, high=high, p_value=p, p_adjusted=p
    )


def judged(time=UNCHANGED, bursts=UNCHANGED, *, p_time=0.5, p_bursts=0.5):
    return judge_time([a_test(DECODE_TIME, *time, p=p_time), a_test(BURSTS, *bursts, p=p_bursts)])


def test_more_tokens_together_at_the_longer_k_is_obedience():
    found = judged(bursts=(2.5, 1.8, 3.4), p_bursts=0.002)

    assert (found.verdict, found.basis) == (Verdict.OBEYED, Basis.TIME)
    assert found.reason == (
        "tokens arrive together more at the longer k: tokens per burst at k = 8 is 2.50 times that at k = 0"
        " (95 % interval 1.80 to 3.40) in 12 pairs, adjusted p = 0.002"
    )


@pytest.mark.parametrize("time", [(0.7, 0.6, 0.8), (1.4, 1.2, 1.6)])
def test_another_time_per_token_is_obedience_whichever_way_it_goes(time):
    assert judged(time=time, p_time=0.004).verdict is Verdict.OBEYED


def test_fewer_tokens_together_at_the_longer_k_is_nothing_a_draft_would_do():
    found = judged(bursts=(0.5, 0.4, 0.7), p_bursts=0.002)

    assert found.verdict is Verdict.CANNOT_TELL
    assert "which no drafting explains" in found.reason


def test_a_difference_that_may_be_chance_is_none():
    assert judged(time=(1.4, 0.9, 2.1), p_time=0.02).verdict is Verdict.CANNOT_TELL


def test_a_certain_but_tiny_difference_is_no_drafting():
    assert judged(time=(1.01, 1.008, 1.012), p_time=0.001).verdict is Verdict.IGNORED


def test_time_and_bursts_shown_to_be_unchanged_is_ignorance():
    found = judged()

    assert (found.verdict, found.basis) == (Verdict.IGNORED, Basis.TIME)
    assert found.reason.startswith("k changes neither how long tokens take nor how they arrive: decode time per token")


@pytest.mark.parametrize(
    ("time", "bursts"), [((1.0, 0.8, 1.3), UNCHANGED), (UNCHANGED, (1.0, 0.8, 1.3)), ((1.1, 1.0, 1.25), UNCHANGED)]
)
def test_one_of_the_two_not_shown_to_be_unchanged_leaves_it_open(time, bursts):
    found = judged(time=time, bursts=bursts)

    assert found.verdict is Verdict.CANNOT_TELL
    assert found.more_may_tell


def test_how_many_more_pairs_would_do_is_said():
    # Half-width ln(1.3 / 0.77) / 2 = 0.262 at 12 pairs; 0.1625 is wanted: 12 * (0.262 / 0.1625)² = 31.
    found = judged(time=(1.0, 1 / 1.3, 1.3))

    assert "about 33 pairs may settle it (`halospec probe --blocks 33`)" in found.reason


def test_hopeless_scatter_is_called_that():
    assert "no number of canaries" not in judged(time=(1.0, 1 / 1.3, 1.3)).reason
    assert "scatter too much here for any number of canaries" in judged(time=(1.0, 1 / 3, 3.0)).reason


def test_without_bursts_to_see_time_can_show_obedience_but_never_ignorance():
    unchanged, changed = a_test(REQUEST_TIME, *UNCHANGED), a_test(REQUEST_TIME, 0.6, 0.5, 0.7, p=0.002)

    assert judge_time([unchanged]).verdict is Verdict.CANNOT_TELL
    assert judge_time([changed]).verdict is Verdict.OBEYED


def test_no_tests_are_no_evidence():
    found = judge_time([])

    assert (found.verdict, found.basis) == (Verdict.CANNOT_TELL, Basis.NOTHING)


def test_pairs_are_formed_within_blocks_and_only_where_both_came_back(make_canary):
    canaries = [
        make_canary(0, 1, event_ms=[50 + 10.0 * n for n in range(32)]),
        make_canary(8, 1, event_ms=[50 + 5.0 * n for n in range(32)]),
        make_canary(0, 2),
        make_canary(8, 2, failed="Timed out."),
        make_canary(8, 3),
    ]

    [ratio] = log_ratios(canaries, 0, 8, decode_ms_per_token)
    assert ratio == pytest.approx(-0.6931, abs=1e-3)


def test_fewer_than_six_pairs_are_not_tested(make_canary):
    def knob(blocks):
        return [make_canary(k, block) for k in (0, 1, 8) for block in range(blocks)]

    assert paired_tests({"draft_length": knob(5)}, seed=1) == {"draft_length": ()}
    [time, bursts] = paired_tests({"draft_length": knob(6)}, seed=1)["draft_length"]
    assert (time.quantity, time.shorter, time.longer, time.pairs) == (DECODE_TIME, 0, 8, 6)
    assert bursts.quantity == BURSTS


def test_whole_requests_are_timed_where_nothing_streams(make_canary):
    canaries = [make_canary(k, block, event_ms=[]) for k in (0, 8) for block in range(8)]

    assert [test.quantity for test in paired_tests({"x": canaries}, seed=1)["x"]] == [REQUEST_TIME]


def test_events_are_not_called_tokens_where_nobody_counts_tokens(make_canary):
    canaries = [make_canary(k, block, tokens_from=CountSource.EVENTS) for k in (0, 8) for block in range(8)]

    assert [test.quantity for test in paired_tests({"x": canaries}, seed=1)["x"]] == ["decode time per event", BURSTS]


def test_p_values_are_adjusted_for_all_tests_of_all_knobs(make_canary):
    def knob(name):
        return [
            make_canary(k, block, knob=name, event_ms=[50 + (10.0 if k else 20.0) * n for n in range(32)])
            for k in (0, 8)
            for block in range(10)
        ]

    alone = paired_tests({"a": knob("a")}, seed=1)["a"][0]
    among = paired_tests({name: knob(name) for name in "abcd"}, seed=1)["a"][0]

    assert alone.p_value == among.p_value == 2 / 2**10
    # Two tests a knob: the four time tests are the smallest of 2 and of 8.
    assert alone.p_adjusted == pytest.approx(2 * alone.p_value)
    assert among.p_adjusted == pytest.approx(8 * among.p_value)
