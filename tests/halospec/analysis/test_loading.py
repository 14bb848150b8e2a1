"""A run is the same whichever of its files it is read from."""

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec.analysis.loading import RunData, read_run, requests_of, rounds_of, run_of
from halospec.analysis.summary import summarize, summarize_run
from halospec.records.classic_csv import ClassicRow
from halospec.records.loads import LoadKind, LoadReport
from halospec.records.manifest import read_manifest, write_manifest
from halospec.records.parquet import write_parquet
from halospec.records.schema import CountSource, Phase, RequestRecord, Round
from halospec.records.store import RecordJournal, RunFiles, StoreError, read_records
from halospec.records.switches import SwitchReason
from halospec.records.telemetry import IdlePower, TelemetryAccount
from halospec.records.telemetry_table import write_telemetry_table
from made_runs import made_manifest, made_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def written(directory: Path, records: list[RequestRecord]) -> RunFiles:
    """A run directory with a journal and a table that is made of it."""
    files = RunFiles(directory)
    with RecordJournal(files.records) as journal:
        for record in records:
            journal.append(record)
    write_parquet(records, files.parquet)
    return files


def assert_same_columns(one, other):
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype, field.name
            np.testing.assert_array_equal(first, second, err_msg=field.name)
        else:
            assert first == second, field.name


def assert_same_run(one: RunData, other: RunData):
    assert_same_columns(one.requests, other.requests)
    assert_same_columns(one.rounds, other.rounds)
    assert_same_columns(one.switches, other.switches)
    assert one.void == other.void
    assert summarize(one, temperature=0) == summarize(other, temperature=0)


counts = st.none() | st.integers(0, 100)
rounds = st.integers(0, 9).flatmap(
    lambda k: st.builds(
        Round, k=st.just(k), accepted=st.integers(0, k), limit=counts, threads=counts, draft_threads=counts
    )
)
some_fields = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["fixed_0", "fixed_4", "adaptive", "auto:ema"]),
        "phase": st.sampled_from(list(Phase)),
        "block": st.integers(1, 3),
        "prompt_id": st.sampled_from(["p1", "p2", "naïve €"]),
        "draft_length": st.none() | st.integers(0, 8),
        "drafted": counts,
        "accepted": counts,
        "rounds": counts,
        "round_log": st.lists(rounds, max_size=4).map(tuple),
        "cached_tokens": counts,
        "load_percent": st.none() | st.floats(0, 100),
        "success": st.booleans(),
        "error": st.sampled_from(["HTTP 500", "stream cut"]),
        "latency_ms": st.floats(0.001, 1e7),
        "ttft_ms": st.none() | st.floats(0, 1e6),
        "completion_tokens": counts,
        "first_token_ns": st.none() | st.integers(0, 100_000_000),
        "text_sha256": st.none() | st.sampled_from(["a", "b"]),
        "tokens_from": st.none() | st.sampled_from(CountSource),
        "knob": st.none() | st.sampled_from(["restart", "reload"]),
        "switch_ms": st.none() | st.floats(0, 1e7),
        "switch_reason": st.none() | st.sampled_from(SwitchReason),
        "placebo": st.booleans(),
        "void": st.booleans(),
        "nonce": st.none() | st.just("otter slate"),
    }
)


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(some_fields, max_size=10))
def test_the_journal_and_the_table_made_of_it_give_the_same_run_and_summary(tmp_path_factory, make_record, drawn):
    records = [make_record(step=n, **some) for n, some in enumerate(drawn, start=1)]
    files = written(tmp_path_factory.mktemp("run"), records)

    from_table, from_journal = read_run(files.directory), read_run(files.records)

    assert (from_table.source, from_journal.source) == (files.parquet, files.records)
    assert_same_run(from_table, from_journal)
    assert_same_run(from_journal, run_of(records))


def test_a_recorded_run_is_the_same_in_its_journal_in_the_table_beside_it_and_in_one_written_now(tmp_path):
    for name in ("records.jsonl", "manifest.json", "load.jsonl", "telemetry.parquet"):
        shutil.copy(DEMO / name, tmp_path)
    old = read_run(DEMO / "records.parquet")
    files = RunFiles(tmp_path)
    write_parquet(read_records(tmp_path).records, files.parquet)

    new = read_run(tmp_path)

    assert new.source == files.parquet
    assert len(new.rounds) > 900
    assert_same_run(new, read_run(files.records))
    assert_same_run(new, old)
    assert summarize_run(new) == summarize_run(old)
    assert summarize_run(new).losslessness is not None


def test_a_table_that_is_out_of_date_damaged_or_missing_is_not_read(tmp_path, make_record):
    files = written(tmp_path, [make_record()])
    with RecordJournal(files.records) as journal:
        journal.append(make_record(global_step=2))
    assert len(read_run(tmp_path).requests) == 2

    write_parquet(read_records(tmp_path).records, files.parquet)
    assert read_run(tmp_path).source == files.parquet
    damaged = files.parquet.read_bytes()[:4] + bytes(500) + files.parquet.read_bytes()[504:]
    for content in (damaged, b"no table", None):
        files.parquet.unlink()
        if content is not None:
            files.parquet.write_bytes(content)
        run = read_run(tmp_path)
        assert (run.source, len(run.requests)) == (files.records, 2)


def test_a_run_kept_without_its_journal_is_read_from_its_table(tmp_path, make_record):
    files = written(tmp_path, [make_record(), make_record(mode="fixed_4")])
    files.records.unlink()
    assert (read_run(tmp_path).source, len(read_run(tmp_path).requests)) == (files.parquet, 2)
    files.parquet.write_bytes(b"no table")
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        read_run(tmp_path)


def test_a_table_itself_can_be_given_without_a_journal_beside_it(tmp_path, make_record):
    files = written(tmp_path / "run", [make_record(), make_record(mode="fixed_4")])
    alone = shutil.copy(files.parquet, tmp_path / "alone.parquet")
    run = read_run(alone)
    assert (run.source, run.requests.modes, run.manifest) == (alone, ("fixed_2", "fixed_4"), None)


@pytest.mark.parametrize(("column", "value"), [("phase", "nowhere"), ("latency_ms", "long"), ("block", [1])])
def test_a_table_with_something_else_in_a_column_is_refused_in_one_sentence(tmp_path, make_record, column, value):
    files = written(tmp_path, [make_record()])
    table = pq.read_table(files.parquet)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array([value])), files.parquet)
    with pytest.raises(StoreError, match=r"records\.parquet is not a table of records: ."):
        read_run(files.parquet)


def test_a_torn_journal_is_read_itself_and_remembered(tmp_path, make_record):
    files = written(tmp_path, [make_record(), make_record()])
    files.records.write_bytes(files.records.read_bytes()[:-20])
    write_parquet(read_records(tmp_path).records, files.parquet)
    run = read_run(tmp_path)
    assert (run.source, run.torn, len(run.requests)) == (files.records, True, 1)


def test_a_place_without_records_is_refused_by_name(tmp_path):
    with pytest.raises(StoreError, match=r"records\.jsonl does not exist"):
        read_run(tmp_path)
    with pytest.raises(StoreError, match=r"nothing\.parquet"):
        read_run(tmp_path / "nothing.parquet")


def test_a_manifest_is_found_beside_whichever_file_is_given():
    manifest = read_manifest(DEMO / "manifest.json")
    for name in ("", "records.jsonl", "records.parquet"):
        assert read_run(DEMO / name).manifest == manifest


def test_void_requests_and_their_rounds_are_counted_and_left_out(make_record):
    log = (Round(k=2, accepted=1),)
    records = [
        make_record(step=1, void=True, mode="fixed_9", round_log=log * 3, switch_ms=100),
        make_record(step=2, round_log=log * 2),
        make_record(step=3),
        make_record(step=4, round_log=log),
    ]
    run = run_of(records)

    assert run.void == 1
    assert run.requests.modes == ("fixed_2",)
    assert run.requests.step.tolist() == [2, 3, 4]
    assert run.rounds.request.tolist() == rounds_of(records).request.tolist() == [0, 0, 2]
    assert len(run.switches.duration_ms) == 0


def test_warm_ups_are_kept_and_told_apart(make_record):
    requests = requests_of([make_record(phase=Phase.WARMUP), make_record(), make_record(phase=Phase.LOAD)])
    assert (len(requests), len(requests.warmups), len(requests.measured)) == (3, 1, 2)
    assert requests.measured.phases_here == (Phase.STEADY, Phase.LOAD)


def test_one_placebo_request_makes_the_run_a_placebo_even_a_void_one(make_record):
    assert requests_of([make_record(void=True, placebo=True), make_record()]).placebo
    assert not requests_of([make_record(), make_record()]).placebo


def test_what_the_server_did_not_say_is_not_a_number(make_record):
    requests = requests_of([make_record(completion_tokens=None, first_token_ns=None, drafted=0)])
    assert np.isnan(requests.tokens[0])
    assert np.isnan(requests.decode_ms[0])
    assert requests.drafted[0] == 0


def test_a_failed_request_has_an_error_and_no_text_and_a_success_the_reverse(make_record):
    requests = requests_of(
        [
            make_record(text_sha256="a", error="a leftover"),
            make_record(text_sha256="cut", success=False, error="stream cut"),
        ]
    )
    assert (requests.texts, requests.text.tolist()) == (("a",), [0, -1])
    assert (requests.errors, requests.error.tolist()) == (("stream cut",), [-1, 0])


def test_a_round_that_claims_more_than_any_draft_holds_is_still_a_round(tmp_path, make_record):
    files = written(tmp_path, [make_record(round_log=(Round(k=70_000, accepted=2),))])
    for path in (tmp_path, files.records):
        assert read_run(path).rounds.k.tolist() == [32_767]


def test_rows_of_the_original_csv_fall_into_blocks_where_a_mode_s_step_starts_again():
    rows = [
        ClassicRow(n, step, mode, Phase.STEADY, 3, n != 4, 100, n % 2)
        for n, (mode, step) in enumerate([("b", 1), ("b", 2), ("a", 1), ("b", 1), ("a", 2)], start=1)
    ]
    requests = requests_of(rows)

    assert requests.modes == ("a", "b")
    assert requests.block.tolist() == [1, 1, 1, 2, 1]
    assert requests.errors[requests.error[3]] == "the CSV does not say why"
    np.testing.assert_array_equal(requests.tokens, [1, np.nan, 1, np.nan, 1])
    assert len(run_of(rows).rounds) == 0


def test_records_and_rows_of_a_csv_are_no_one_run(make_record):
    with pytest.raises(TypeError, match="both"):
        requests_of([make_record(), ClassicRow(1, 1, "a", Phase.STEADY, 3, True, 100, 0)])


def test_rounds_of_a_table_from_before_threads_were_told_have_none(tmp_path, make_record):
    files = written(tmp_path, [make_record(round_log=(Round(k=2, accepted=1),), draft_length=None)])
    table = pq.read_table(files.parquet)
    old = pa.array([[{"k": 2, "accepted": 1}]], pa.list_(pa.struct([("k", pa.int32()), ("accepted", pa.int32())])))
    column = table.schema.get_field_index("round_log")
    pq.write_table(table.set_column(column, "round_log", old), files.parquet)
    run = read_run(files.parquet)
    assert [rounds.tolist() for rounds in (run.rounds.k, run.rounds.limit, run.rounds.threads)] == [[2], [-1], [-1]]
    assert np.isnan(run.requests.mean_limit).all()


TICKS = """{"at_ns": 100, "energy.package-0_j": 1.5, "server.rss_bytes": 1000}
{"at_ns": 200, "energy.package-0_j": 2.5}
{"at_ns": 300, "energy.package-0_j": 1e300, "server.rss_bytes": 3000}
"""


def with_telemetry(directory: Path) -> RunFiles:
    """A run directory with a manifest, and a journal of three readings."""
    records = made_records()
    files = written(directory, records)
    account = TelemetryAccount(hz=10, energy_counters=("energy.package-0_j",), idle=IdlePower(watts=30.0, seconds=5.0))
    manifest = made_manifest(records).model_copy(update={"telemetry": account})
    write_manifest(manifest, files.manifest)
    files.telemetry_journal.write_text(TICKS)
    return files


@pytest.mark.parametrize("as_table", [False, True], ids=["journal", "table"])
def test_telemetry_is_read_with_what_the_manifest_says_of_it(tmp_path, as_table):
    files = with_telemetry(tmp_path)
    if as_table:
        write_telemetry_table(files.telemetry_journal, files.telemetry)
        files.telemetry_journal.unlink()
    for path in (tmp_path, files.records, files.parquet):
        telemetry = read_run(path).telemetry
        assert telemetry.at_ns.tolist() == [100, 200, 300]
        # No machine has used as many joules.
        np.testing.assert_array_equal(telemetry.column("energy.package-0_j"), [1.5, 2.5, np.nan])
        np.testing.assert_array_equal(telemetry.column("server.rss_bytes"), [1000, np.nan, 3000])
        assert telemetry.account.idle.watts == 30
    assert np.isnan(telemetry.column("gpu0.power_w")).all()


def test_readings_are_put_in_order_and_of_those_at_one_moment_the_first_counts(tmp_path):
    written(tmp_path, made_records())
    times, values = pa.array([300, 100, 300], pa.int64()), pa.array([3.0, None, 4.0], pa.float64())
    pq.write_table(pa.table({"at_ns": times, "a.b": values}), RunFiles(tmp_path).telemetry)
    telemetry = read_run(tmp_path).telemetry
    assert (telemetry.at_ns.tolist(), telemetry.account) == ([100, 300], None)
    np.testing.assert_array_equal(telemetry.column("a.b"), [np.nan, 3])


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a.b": [1.0]}),
        pa.table({"at_ns": [1], "a.b": ["text"]}),
        pa.table([pa.array([1]), pa.array([1.0]), pa.array([2.0])], names=["at_ns", "a.b", "a.b"]),
        pa.table({"at_ns": [1.5], "a.b": [1.0]}),
    ],
    ids=["no times", "texts", "a column twice", "times that are not whole"],
)
def test_a_table_that_is_not_one_of_readings_is_refused_in_one_sentence(tmp_path, table):
    written(tmp_path, made_records())
    pq.write_table(table, RunFiles(tmp_path).telemetry)
    with pytest.raises(StoreError, match="telemetry"):
        read_run(tmp_path)


def test_a_run_without_telemetry_and_load_has_none(tmp_path):
    run = read_run(written(tmp_path, made_records()).directory)
    assert (run.telemetry, run.loads) == (None, ())


def test_loads_are_read_from_their_journal_in_old_runs_too(tmp_path):
    files = written(tmp_path, made_records())
    report = LoadReport(block=1, mode="fixed_0")
    files.load.write_text(report.model_dump_json() + "\n")
    assert read_run(tmp_path).loads == (report,)
    old = read_run(DEMO).loads
    assert [(load.kind, load.offered) for one in old for load in one.loads] == [(LoadKind.CPU, 100)] * 5
