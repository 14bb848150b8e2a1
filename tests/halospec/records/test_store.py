import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.records.schema import CountSource, RequestRecord
from halospec.records.store import (
    RecordJournal,
    RunFiles,
    StoreError,
    mark_void,
    mend_journal,
    read_lines,
    read_records,
    write_whole,
)
from halospec.records.switches import SwitchReason, SwitchRecord


def fill(directory: Path, records: list[RequestRecord]) -> Path:
    with RecordJournal(RunFiles(directory).records) as journal:
        for record in records:
            journal.append(record)
    return RunFiles(directory).records


def test_appended_records_come_back_in_order(tmp_path, make_record):
    records = [make_record(global_step=n, step=n) for n in (1, 2, 3)]
    fill(tmp_path / "run", records)

    journal = read_records(tmp_path / "run")

    assert journal.records == tuple(records)
    assert not journal.torn


def test_each_record_is_on_disk_as_one_line_before_append_returns(tmp_path, make_record, monkeypatch):
    synced: list[bytes] = []
    path = tmp_path / "records.jsonl"

    with RecordJournal(path) as journal:
        monkeypatch.setattr(os, "fsync", lambda _fd: synced.append(path.read_bytes()))
        journal.append(make_record(prompt_id="two\nlines"))
        assert len(synced) == 1
        assert synced[0].count(b"\n") == 1
        assert synced[0].endswith(b"\n")
        assert json.loads(synced[0])["prompt_id"] == "two\nlines"


def synced_directories(monkeypatch) -> list[Path]:
    """Return a list that every directory comes to be in when its entries are written to the disk."""
    opened: dict[int, Path] = {}
    synced: list[Path] = []
    really_open, really_sync = os.open, os.fsync

    def note_open(path, *arguments, **options):
        descriptor = really_open(path, *arguments, **options)
        opened[descriptor] = Path(path)
        return descriptor

    def note_sync(descriptor):
        really_sync(descriptor)
        if descriptor in opened and opened[descriptor].is_dir():
            synced.append(opened[descriptor])

    monkeypatch.setattr(os, "open", note_open)
    monkeypatch.setattr(os, "fsync", note_sync)
    return synced


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a directory")
def test_a_new_journal_is_in_its_directory_for_good_before_the_first_record(tmp_path, make_record, monkeypatch):
    synced = synced_directories(monkeypatch)
    RecordJournal(tmp_path / "records.jsonl").close()
    assert synced == [tmp_path]
    fill(tmp_path, [make_record()])
    assert synced == [tmp_path]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a directory")
def test_a_replaced_file_is_in_its_directory_for_good(tmp_path, monkeypatch):
    synced = synced_directories(monkeypatch)
    write_whole(tmp_path / "summary.json", b"{}")
    assert synced == [tmp_path]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a directory")
@pytest.mark.parametrize(("code", "is_fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_sync_a_directory_holds_journals_all_the_same(tmp_path, monkeypatch, code, is_fatal):
    def fail(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    if is_fatal:
        with pytest.raises(StoreError, match=r"^Cannot open "):
            RecordJournal(tmp_path / "records.jsonl")
    else:
        RecordJournal(tmp_path / "records.jsonl").close()


def test_the_journal_file_itself_can_be_read(tmp_path, make_record):
    path = fill(tmp_path, [make_record()])
    assert len(read_records(path).records) == 1


def test_fields_beyond_the_schema_survive(tmp_path, make_record):
    path = fill(tmp_path, [make_record(gpu_temperature_c=61)])
    assert read_records(path).records[0].model_extra == {"gpu_temperature_c": 61}


LATER_FIELDS = {"tokens_from", "drafted_from", "knob", "switch_ms", "switch_reason", "placebo"}


def test_a_record_from_before_knobs_and_placebos_is_still_read(tmp_path, make_record):
    record = make_record()
    RunFiles(tmp_path).records.write_text(record.model_dump_json(exclude=LATER_FIELDS) + "\n")
    assert read_records(tmp_path).records == (record,)
    assert [getattr(record, name) for name in sorted(LATER_FIELDS)] == [None, None, False, None, None, None]


def test_what_the_knob_did_is_in_the_record(tmp_path, make_record):
    record = make_record(
        knob="restart",
        switch_ms=900.5,
        switch_reason=SwitchReason.CHANGED,
        tokens_from=CountSource.EVENTS,
        drafted_from=CountSource.TIMINGS,
        placebo=True,
    )
    path = fill(tmp_path, [record])
    assert read_records(tmp_path).records == (record,)
    line = json.loads(path.read_text())
    assert {name: line[name] for name in LATER_FIELDS} == {
        "knob": "restart",
        "switch_ms": 900.5,
        "switch_reason": "changed",
        "tokens_from": "events",
        "drafted_from": "timings",
        "placebo": True,
    }


def test_switches_have_a_journal_of_their_own(tmp_path):
    switch = SwitchRecord(
        block=1,
        mode="fixed_4",
        draft_length=4,
        reason=SwitchReason.FIRST,
        duration_ms=0.5,
        started_ns=1_000_000,
        ended_ns=1_500_000,
        detail="llama-server --spec-draft-n-max 4",
    )
    path = RunFiles(tmp_path).switches
    with RecordJournal(path) as journal:
        journal.append(switch)
    assert path == tmp_path / "switches.jsonl"
    assert SwitchRecord.model_validate_json(path.read_text()) == switch


@given(cut=st.integers(min_value=1))
def test_a_journal_cut_anywhere_in_its_last_line_keeps_every_earlier_record(tmp_path_factory, make_record, cut):
    directory = tmp_path_factory.mktemp("run")
    records = [make_record(global_step=1), make_record(global_step=2, prompt_id="naïve €")]
    path = fill(directory, records)
    first, last = path.read_bytes().splitlines(keepends=True)
    kept = last[: 1 + cut % (len(last) - 2)]
    path.write_bytes(first + kept)

    journal = read_records(directory)

    assert journal.records == (records[0],)
    assert journal.torn


def test_a_last_line_that_lacks_only_its_newline_is_a_record(tmp_path, make_record):
    path = fill(tmp_path, [make_record(), make_record(global_step=2)])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))

    journal = read_records(tmp_path)

    assert len(journal.records) == 2
    assert not journal.torn


@pytest.mark.parametrize("cut", [1, 20])
def test_appending_after_a_torn_line_starts_a_line_of_its_own(tmp_path, make_record, cut):
    path = fill(tmp_path, [make_record(), make_record(global_step=2)])
    path.write_bytes(path.read_bytes()[:-cut])

    fill(tmp_path, [make_record(global_step=3)])

    steps = [record.global_step for record in read_records(tmp_path).records]
    assert steps == ([1, 2, 3] if cut == 1 else [1, 3])


def test_a_long_torn_line_is_found_from_the_end_of_the_file(tmp_path, make_record):
    path = fill(tmp_path, [make_record(prompt_id="long" * 50_000), make_record(prompt_id="long" * 50_000)])
    first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + last[:-2])
    assert read_records(tmp_path).torn
    mend_journal(path)
    assert path.read_bytes() == first


def test_mending_a_journal_that_is_not_there_makes_none(tmp_path):
    mend_journal(tmp_path / "load.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_lines_of_a_journal_that_is_not_there_are_none(tmp_path):
    assert list(read_lines(tmp_path / "load.jsonl", SwitchRecord)) == []


def test_marked_records_are_void_and_all_other_bytes_stay(tmp_path, make_record):
    path = fill(tmp_path, [make_record(global_step=n, prompt_id="naïve €") for n in (1, 2, 3)])
    before = path.read_bytes().splitlines()
    mark_void(path, {1, 3})
    after = path.read_bytes().splitlines()
    assert [record.void for record in read_records(tmp_path).records] == [True, False, True]
    assert after[1] == before[1]
    assert [line.replace(b'"void":true', b'"void":false') for line in after] == before
    mark_void(path, {1})
    assert path.read_bytes().splitlines() == after


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(lambda text: text, id="as it was written"),
        pytest.param(lambda text: text.replace('"void":false,', ""), id="by a version without the field"),
        pytest.param(lambda text: json.dumps(json.loads(text)), id="with spaces"),
        pytest.param(lambda text: text.replace("{", '{"note":{"void":false},', 1), id="beside another field so named"),
        pytest.param(
            lambda text: text.replace("{", '{"note":{"void":false},', 1).replace('"void":false,"nonce"', '"nonce"'),
            id="only another field so named",
        ),
        pytest.param(lambda text: text.replace('"p1"', r'"\"void\":false"'), id="so named in a text"),
    ],
)
def test_a_record_is_marked_void_however_its_line_is_written(tmp_path, make_record, line):
    path = fill(tmp_path, [])
    path.write_text(line(make_record().model_dump_json()) + "\n")
    (before,) = read_records(tmp_path).records
    mark_void(path, {1})
    assert read_records(tmp_path).records == (before.model_copy(update={"void": True}),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "Invalid JSON"),
        ('{"mode": "fixed_1"}', "phase: Field required"),
        ("", "Invalid JSON"),
    ],
)
def test_a_bad_line_is_named_with_file_number_and_reason(tmp_path, make_record, line, reason):
    path = fill(tmp_path, [make_record()])
    path.write_text(path.read_text() + line + "\n" + make_record(global_step=2).model_dump_json() + "\n")

    with pytest.raises(StoreError) as caught:
        read_records(tmp_path)

    assert f"{path}, line 2" in str(caught.value)
    assert reason in str(caught.value)


def test_a_directory_without_a_journal_is_refused_by_name(tmp_path):
    with pytest.raises(StoreError, match=r"records\.jsonl does not exist"):
        read_records(tmp_path)


def test_an_empty_journal_has_no_records_and_is_not_torn(tmp_path):
    (tmp_path / "records.jsonl").touch()
    assert read_records(tmp_path).records == ()
    assert not read_records(tmp_path).torn


def test_a_full_disk_is_one_sentence_and_leaves_whole_records_only(tmp_path, make_record, monkeypatch):
    def disk_is_full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = fill(tmp_path, [make_record()])
    before = path.read_bytes()
    with RecordJournal(path) as journal:
        monkeypatch.setattr(os, "fsync", disk_is_full)
        with pytest.raises(StoreError, match=r"^Cannot write .*records\.jsonl: No space left on device\.$"):
            journal.append(make_record(global_step=2))

    assert path.read_bytes() == before


def test_a_place_that_cannot_hold_a_journal_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^Cannot open .*: .*\.$"):
        RecordJournal(tmp_path / "file" / "records.jsonl")


def test_a_closed_journal_takes_no_record(tmp_path, make_record):
    journal = RecordJournal(tmp_path / "records.jsonl")
    journal.close()
    with pytest.raises(StoreError, match="closed"):
        journal.append(make_record())


def test_a_file_that_cannot_be_replaced_leaves_the_old_one_and_no_litter(tmp_path, monkeypatch):
    def refuse(*_args: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    path = tmp_path / "summary.json"
    write_whole(path, b"old")
    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(StoreError, match="Permission denied"):
        write_whole(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
