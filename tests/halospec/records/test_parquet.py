import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from halospec.records import parquet
from halospec.records.parquet import RecordTable, write_parquet
from halospec.records.placebo import MEANING
from halospec.records.schema import CountSource, RequestRecord, Round
from halospec.records.store import RecordJournal, RunFiles, StoreError, read_records
from halospec.records.switches import SwitchReason


def fill(directory: Path, records: list[RequestRecord]) -> RunFiles:
    files = RunFiles(directory)
    with RecordJournal(files.records) as journal:
        for record in records:
            journal.append(record)
    write_parquet(read_records(directory).records, files.parquet)
    return files


def test_it_holds_every_field_with_rounds_as_structs(tmp_path, make_record):
    rounds = (Round(k=2, accepted=1, draft_us=5.0, limit=4, threads=2), Round(k=2, accepted=2))
    failed = make_record(success=False, error="HTTP 500", completion_tokens=None, draft_length=None)
    path = tmp_path / "records.parquet"

    write_parquet([make_record(round_log=rounds, event_ms=(1.5, 2.5)), failed], path)

    table = pq.read_table(path)
    assert table.column_names == list(RequestRecord.model_fields)
    first, second = table.to_pylist()
    said = {"k": 2, "accepted": 1, "draft_us": 5.0, "verify_us": 0.0, "sample_us": 0.0, "limit": 4, "threads": 2}
    unsaid = dict.fromkeys(("catch_up_us", "draft_threads", "sequences", "width"))
    assert first["round_log"][0] == said | unsaid
    assert first["event_ms"] == [1.5, 2.5]
    assert second["draft_length"] is None
    assert second["error"] == "HTTP 500"
    assert second["round_log"] == []


def test_every_row_comes_back_as_the_record_that_it_was_whatever_group_it_is_in(tmp_path, make_record, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)
    records = [
        make_record(
            mode=f"fixed_{n % 4}", step=n, text_sha256=f"text {n}", round_log=(Round(k=n, accepted=n // 2),) * (n % 3)
        )
        for n in range(1, 9)
    ]
    path = tmp_path / "records.parquet"
    write_parquet(records, path)

    assert pq.ParquetFile(path).num_row_groups == 3
    assert [RequestRecord(**row) for row in pq.read_table(path).to_pylist()] == records


def test_without_records_it_still_has_its_columns(tmp_path):
    write_parquet([], tmp_path / "records.parquet")
    assert pq.read_table(tmp_path / "records.parquet").column_names == list(RequestRecord.model_fields)


def test_fields_beyond_the_schema_are_kept_as_json(tmp_path, make_record):
    write_parquet([make_record(), make_record(note={"a": 1})], tmp_path / "records.parquet")
    extra = pq.read_table(tmp_path / "records.parquet").column("extra").to_pylist()
    assert extra == [None, '{"note": {"a": 1}}']


def test_enumerations_stand_as_text(tmp_path, make_record):
    path = tmp_path / "records.parquet"
    write_parquet([make_record(tokens_from=CountSource.EVENTS, switch_reason=SwitchReason.DIED), make_record()], path)
    table = pq.read_table(path)
    assert table.column("tokens_from").to_pylist() == ["events", None]
    assert table.column("switch_reason").to_pylist() == ["died", None]


def test_a_placebo_run_bears_the_stamp_in_its_column_and_its_metadata(tmp_path, make_record):
    path = tmp_path / "records.parquet"
    write_parquet((record for record in [make_record(), make_record(placebo=True)]), path)
    assert pq.read_table(path).column("placebo").to_pylist() == [False, True]
    assert pq.read_schema(path).metadata[b"PLACEBO"] == MEANING.encode()

    write_parquet([make_record()], path)
    assert pq.read_table(path).column("placebo").to_pylist() == [False]
    assert b"PLACEBO" not in pq.read_schema(path).metadata


def test_it_is_made_of_the_journal_beside_it_until_that_grows(tmp_path, make_record):
    files = fill(tmp_path, [make_record()])
    assert RecordTable(files.parquet).is_made_of(files.records)

    with RecordJournal(files.records) as journal:
        journal.append(make_record(global_step=2))
    assert not RecordTable(files.parquet).is_made_of(files.records)


def test_a_journal_whose_end_was_written_anew_at_the_same_size_is_another_one(tmp_path, make_record):
    files = fill(tmp_path, [make_record(prompt_id="p1"), make_record(prompt_id="p2")])
    files.records.write_bytes(files.records.read_bytes().replace(b'"p2"', b'"p9"'))
    assert not RecordTable(files.parquet).is_made_of(files.records)


def test_a_table_says_nothing_of_a_torn_line_and_so_never_stands_for_a_torn_journal(tmp_path, make_record):
    files = fill(tmp_path, [make_record(), make_record()])
    files.records.write_bytes(files.records.read_bytes()[:-20])
    write_parquet(read_records(tmp_path).records, files.parquet)
    assert not RecordTable(files.parquet).is_made_of(files.records)


def test_a_table_without_a_journal_is_made_of_none(tmp_path, make_record):
    files = fill(tmp_path, [make_record()])
    files.records.unlink()
    assert not RecordTable(files.parquet).is_made_of(files.records)


def test_a_table_of_an_older_schema_is_not_up_to_date(tmp_path, make_record, monkeypatch):
    files = fill(tmp_path, [make_record()])
    monkeypatch.setattr(parquet, "SCHEMA_VERSION", parquet.SCHEMA_VERSION + 1)
    assert not RecordTable(files.parquet).is_made_of(files.records)


@pytest.mark.parametrize("content", [b"", b"no table at all"])
def test_a_file_that_is_no_parquet_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "records.parquet").write_bytes(content)
    with pytest.raises(StoreError, match=r"records\.parquet is not a readable Parquet file"):
        RecordTable(tmp_path / "records.parquet")


def test_some_other_table_is_refused_in_one_sentence(tmp_path):
    pq.write_table(pa.table({"mode": ["fixed_0"]}), tmp_path / "records.parquet")
    with pytest.raises(StoreError, match="is not a table of records: it has no column"):
        RecordTable(tmp_path / "records.parquet")


def test_a_table_whose_rounds_are_something_else_is_refused_in_one_sentence(tmp_path, make_record):
    path = tmp_path / "records.parquet"
    write_parquet([make_record()], path)
    table = pq.read_table(path)
    place = table.column_names.index("round_log")
    pq.write_table(table.set_column(place, "round_log", pa.array([[1, 2]])), path)
    with pytest.raises(StoreError, match="round_log is not a list of rounds"):
        RecordTable(path)


def test_a_damaged_table_is_told_of_in_one_sentence(tmp_path, make_record):
    files = fill(tmp_path, [make_record(text_sha256=f"{n:064}") for n in range(200)])
    content = bytearray(files.parquet.read_bytes())
    content[4:1000] = bytes(996)
    files.parquet.write_bytes(content)
    table = RecordTable(files.parquet)
    with pytest.raises(StoreError, match="is damaged"):
        [table.column(name) for name in RequestRecord.model_fields]


def test_a_count_beyond_all_sense_is_told_of_in_one_sentence(tmp_path, make_record):
    with pytest.raises(StoreError, match="does not fit its column"):
        write_parquet([make_record(drafted=10**30)], tmp_path / "records.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_table_and_no_litter(tmp_path, make_record, monkeypatch):
    def disk_is_full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "records.parquet"
    write_parquet([make_record()], path)
    before = path.read_bytes()
    monkeypatch.setattr(parquet.os, "fsync", disk_is_full)

    with pytest.raises(StoreError, match=r"^Cannot write .*records\.parquet: No space left on device\.$"):
        write_parquet([make_record(), make_record()], path)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
