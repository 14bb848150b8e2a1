from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.loading import read_run, requests_of
from halospec.analysis.request_times import RequestTime
from halospec.analysis.slo import Slo, SloRequest, SloSummary, parse_slo, resolve, score
from halospec.records.schema import Phase

DEMO = Path(__file__).parents[3] / "plots" / "demo"
MS = 1_000_000


def request(make_record, latency_ms, *, ttft_ms=100.0, tokens=11, **fields):
    """A request that started at 0; its TPOT is (latency - TTFT) / (tokens - 1)."""
    return make_record(
        latency_ms=latency_ms,
        ttft_ms=ttft_ms,
        first_token_ns=None if ttft_ms is None else int(ttft_ms * MS),
        ended_ns=int(latency_ms * MS),
        completion_tokens=tokens,
        **fields,
    )


def only_row(records, slo):
    (row,) = score(requests_of(records), slo, reference="fixed_0").phases
    return row


def test_objectives_are_read_by_their_names():
    read = parse_slo(["ttft_ms=400", " tpot_ms=60.5", "e2e_ms=6e3"])
    assert read == SloRequest(ttft_ms=400, tpot_ms=60.5, e2e_ms=6000)
    assert parse_slo(["auto"]) == SloRequest(auto=True)
    assert parse_slo(["auto", "e2e_ms=900"]) == SloRequest(e2e_ms=900, auto=True)


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "--slo says nothing"),
        (["ttft=400"], "--slo ttft=400 names no objective"),
        (["400"], "--slo 400 names no objective"),
        (["auto=1"], "--slo auto=1 names no objective"),
        (["ttft_ms=fast"], "--slo ttft_ms=fast is not a number of milliseconds above 0"),
        (["ttft_ms="], "--slo ttft_ms= is not a number"),
        (["e2e_ms=0"], "is not a number of milliseconds above 0"),
        (["e2e_ms=-5"], "is not a number of milliseconds above 0"),
        (["e2e_ms=inf"], "is not a number of milliseconds above 0"),
        (["e2e_ms=nan"], "is not a number of milliseconds above 0"),
        (["e2e_ms=5", "e2e_ms=6"], "--slo states e2e_ms twice"),
        (["auto", "auto"], "--slo states auto twice"),
        (["\x1b[31mttft_ms\n=4"], "names no objective"),
    ],
)
def test_what_is_no_objective_is_refused_in_one_sentence_that_lists_the_names(texts, complaint):
    with pytest.raises(ValueError) as refused:
        parse_slo(texts)
    message = str(refused.value)
    assert complaint in message
    assert "it takes ttft_ms=MS, tpot_ms=MS, e2e_ms=MS or auto" in message
    assert message.isprintable()
    assert message.endswith(".")


def test_stated_objectives_need_no_warm_up(make_record):
    assert resolve(SloRequest(ttft_ms=400), requests_of([make_record()])) == Slo(ttft_ms=400)


def test_auto_is_1_2_times_the_median_of_plain_decodings_successful_warm_ups(make_record):
    warm = {"phase": Phase.WARMUP, "mode": "fixed_0", "global_step": 0}
    records = [request(make_record, latency, **warm) for latency in (500, 600, 1100)]
    records += [
        request(make_record, 9999, **warm, success=False, error="HTTP 500"),
        request(make_record, 1, **(warm | {"mode": "fixed_4"})),
        request(make_record, 1, mode="fixed_0"),
        request(make_record, 1, **warm, void=True),
    ]
    found = resolve(SloRequest(auto=True), requests_of(records))
    assert found.ttft_ms == pytest.approx(1.2 * 100)
    assert found.tpot_ms == pytest.approx(1.2 * 50)
    assert found.e2e_ms == pytest.approx(1.2 * 600)
    assert found.warmups == 3


def test_a_stated_objective_stands_beside_automatic_ones_and_a_time_that_is_not_known_gets_none(make_record):
    records = [make_record(phase=Phase.WARMUP, mode="fixed_0", latency_ms=100.0)]
    assert resolve(SloRequest(auto=True), requests_of(records)) == Slo(e2e_ms=120.0, warmups=1)
    assert resolve(SloRequest(e2e_ms=7, auto=True), requests_of(records)).e2e_ms == 7


def test_auto_without_warm_up_of_fixed_0_is_refused(make_record):
    with pytest.raises(ValueError, match=r"warm-up of fixed_0.*state them, as in --slo e2e_ms=6000"):
        resolve(SloRequest(auto=True), requests_of([make_record(mode="fixed_0")]))


def test_a_request_meets_the_objectives_if_it_keeps_every_one(make_record):
    records = [
        request(make_record, 600, step=1),  # TTFT 100, TPOT 50: keeps all, each at its very limit
        request(make_record, 600, step=2, ttft_ms=101.0),
        request(make_record, 601, step=3),  # TPOT 50.1 and E2E
        request(make_record, 580, step=4, tokens=5),  # TPOT 120
    ]
    row = only_row(records, Slo(ttft_ms=100, tpot_ms=50, e2e_ms=600))
    assert (row.attainment.count, row.attainment.of) == (1, 4)
    each = {one.time: (one.attainment.count, one.attainment.of) for one in row.by_objective}
    assert each == {RequestTime.TTFT: (3, 4), RequestTime.TPOT: (2, 4), RequestTime.E2E: (3, 4)}
    assert row.attainment.low == pytest.approx(0.0456, abs=1e-4)  # Wilson, 1 of 4
    assert row.attainment.high == pytest.approx(0.6994, abs=1e-4)


def test_goodput_is_by_the_time_of_the_modes_own_requests(make_record):
    # Ten seconds lie between the requests; they are nobody's.
    records = [
        make_record(step=1, latency_ms=500.0, started_ns=0, ended_ns=500 * MS),
        make_record(step=2, latency_ms=1500.0, started_ns=10_000 * MS, ended_ns=11_500 * MS),
    ]
    row = only_row(records, Slo(e2e_ms=600))
    assert row.goodput_per_s == pytest.approx(1 / 2.0)
    assert row.over_s == pytest.approx(1.5)
    assert row.over_share == pytest.approx(0.75)


def test_a_failed_request_misses_every_objective_and_its_time_counts(make_record):
    records = [
        request(make_record, 500, step=1),
        make_record(step=2, success=False, error="stream cut", latency_ms=50.0),
    ]
    row = only_row(records, Slo(ttft_ms=400, e2e_ms=600))
    assert (row.failures, row.unknown) == (1, 0)
    assert (row.attainment.count, row.attainment.of) == (1, 2)
    assert all((one.attainment.count, one.attainment.of) == (1, 2) for one in row.by_objective)
    assert row.over_s == pytest.approx(0.05)
    assert row.goodput_per_s == pytest.approx(1 / 0.55)


def test_a_request_of_which_a_time_is_not_known_is_counted_and_left_out(make_record):
    records = [
        request(make_record, 500, step=1),
        request(make_record, 500, step=2, ttft_ms=None),
        request(make_record, 500, step=3, tokens=1),
    ]
    row = only_row(records, Slo(tpot_ms=50, e2e_ms=600))
    assert (row.requests, row.unknown) == (3, 2)
    assert (row.attainment.count, row.attainment.of) == (1, 1)
    tpot, e2e = row.by_objective
    assert (tpot.unknown, tpot.attainment.of) == (2, 1)
    assert (e2e.unknown, e2e.attainment.of) == (0, 3)
    assert row.goodput_per_s == pytest.approx(2.0)


def test_where_nothing_can_be_judged_there_is_no_figure(make_record):
    row = only_row([make_record(ttft_ms=None)], Slo(ttft_ms=400))
    assert row.unknown == 1
    assert row.attainment is row.goodput_per_s is row.over_share is row.by_objective[0].attainment is None


def test_phases_are_judged_apart_and_warm_up_not_at_all(make_record):
    records = [
        make_record(phase=Phase.WARMUP, latency_ms=9000.0),
        make_record(phase=Phase.STEADY, latency_ms=100.0),
        make_record(phase=Phase.LOAD, latency_ms=900.0, step=2),
    ]
    rows = score(requests_of(records), Slo(e2e_ms=600), reference="fixed_0").phases
    assert [(row.phase, row.attainment.value) for row in rows] == [(Phase.STEADY, 1.0), (Phase.LOAD, 0.0)]


def blocks_of(make_record, mode, latencies_ms, **fields):
    return [
        make_record(mode=mode, block=block, step=step, latency_ms=latency_ms, **fields)
        for block, of_block in enumerate(latencies_ms, start=1)
        for step, latency_ms in enumerate(of_block, start=1)
    ]


def test_attainment_is_compared_with_the_reference_block_by_block(make_record):
    # In each of 6 blocks fixed_0 keeps half and fixed_4 all: the smallest p-value of 6 pairs is 2 / 2^6.
    records = blocks_of(make_record, "fixed_0", [(100.0, 900.0)] * 6) + blocks_of(
        make_record, "fixed_4", [(100.0,)] * 6
    )
    plain, fast = score(requests_of(records), Slo(e2e_ms=600), reference="fixed_0").phases
    assert plain.against_reference is None
    found = fast.against_reference
    assert (found.mean, found.blocks) == (0.5, 6)
    assert found.p_value == found.p_adjusted == pytest.approx(2 / 64)


def test_p_values_are_adjusted_over_all_modes_and_phases(make_record):
    records = []
    for phase in (Phase.STEADY, Phase.LOAD):
        records += blocks_of(make_record, "fixed_0", [(900.0,)] * 7, phase=phase)
        records += blocks_of(make_record, "fixed_2", [(100.0,)] * 7, phase=phase)
        records += blocks_of(make_record, "fixed_4", [(900.0,)] * 7, phase=phase)
    rows = score(requests_of(records), Slo(e2e_ms=600), reference="fixed_0").phases
    found = {(row.mode, row.phase): row.against_reference for row in rows if row.against_reference}
    assert found["fixed_2", Phase.LOAD].p_value == pytest.approx(2 / 128)
    assert found["fixed_2", Phase.LOAD].p_adjusted == pytest.approx(4 * 2 / 128)
    assert found["fixed_4", Phase.STEADY].p_value == found["fixed_4", Phase.STEADY].p_adjusted == 1.0


def test_too_few_blocks_have_a_difference_but_no_p_value(make_record):
    records = blocks_of(make_record, "fixed_0", [(900.0,)] * 5) + blocks_of(make_record, "fixed_2", [(100.0,)] * 5)
    found = score(requests_of(records), Slo(e2e_ms=600), reference="fixed_0").phases[1].against_reference
    assert (found.mean, found.blocks, found.p_value, found.p_adjusted) == (1.0, 5, None, None)


def test_modes_that_share_no_block_with_the_reference_are_not_compared(make_record):
    records = [make_record(mode="fixed_0", block=1), make_record(mode="fixed_2", block=2)]
    for reference in ("fixed_0", "a mode that was not run"):
        rows = score(requests_of(records), Slo(e2e_ms=600), reference=reference).phases
        assert [row.against_reference for row in rows] == [None, None]


def test_many_blocks_are_tested_too(make_record):
    same = [(100.0,) if block % 2 else (900.0,) for block in range(450)]
    better = [(100.0,) if block % 3 else (900.0,) for block in range(450)]
    records = blocks_of(make_record, "fixed_0", same) + blocks_of(make_record, "fixed_2", better)
    found = score(requests_of(records), Slo(e2e_ms=600), reference="fixed_0").phases[1].against_reference
    assert found.blocks == 450
    assert found.mean == pytest.approx(2 / 3 - 1 / 2)
    assert found.p_value < 0.001


times = st.one_of(st.none(), st.floats(1, 500))


@given(
    st.lists(st.tuples(st.floats(501, 5000), times, st.integers(1, 20), st.booleans()), min_size=1, max_size=12),
    st.tuples(*[st.floats(1, 5000)] * 3),
    st.tuples(*[st.floats(0, 5000)] * 3),
)
def test_looser_objectives_are_met_at_least_as_often(make_record, requests, tight, slack):
    records = [
        request(make_record, latency, step=step, ttft_ms=ttft, tokens=tokens, success=ok, error=None if ok else "cut")
        for step, (latency, ttft, tokens, ok) in enumerate(requests, start=1)
    ]
    strict, loose = (
        only_row(records, Slo(ttft_ms=limits[0], tpot_ms=limits[1], e2e_ms=limits[2]))
        for limits in (tight, [a + b for a, b in zip(tight, slack, strict=True)])
    )
    assert strict.unknown == loose.unknown
    if strict.attainment is None:
        assert loose.attainment is None
        return
    assert loose.attainment.count >= strict.attainment.count
    assert loose.goodput_per_s >= strict.goodput_per_s
    assert loose.over_s <= strict.over_s + 1e-9
    assert strict.attainment.count <= min(one.attainment.count for one in strict.by_objective)


def test_the_recorded_run_is_judged_and_survives_json():
    requests = read_run(DEMO).requests
    found = score(requests, resolve(parse_slo(["auto"]), requests), reference="fixed_0")
    assert len(found.phases) == 15
    assert found.slo.warmups == 5
    assert SloSummary.model_validate_json(found.model_dump_json()) == found
