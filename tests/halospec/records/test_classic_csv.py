import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.records.classic_csv import HEADER, ClassicRow, classic_row, read_classic_csv, write_classic_csv
from halospec.records.schema import MEASURED_PHASES, Phase
from halospec.records.store import StoreError

HEADER_LINE = "global_step,step,mode,phase,draft_length,success,latency_ms,tokens"


def exported(records) -> str:
    file = io.StringIO()
    write_classic_csv(records, file)
    return file.getvalue()


def test_the_header_and_the_types_are_the_original_ones(make_record):
    failed = make_record(
        global_step=2, step=2, success=False, error="timeout", latency_ms=60000.4, completion_tokens=None
    )
    assert exported([make_record(latency_ms=123.6), failed]) == (
        f"{HEADER_LINE}\n1,1,fixed_2,steady,2,true,123,32\n2,2,fixed_2,steady,2,false,60000,0\n"
    )


def test_warm_up_is_not_exported_and_rows_come_by_global_step(make_record):
    records = [
        make_record(global_step=2),
        make_record(global_step=0, phase=Phase.WARMUP),
        make_record(global_step=1),
    ]
    assert [line.split(",")[0] for line in exported(records).splitlines()] == ["global_step", "1", "2"]


def test_a_request_shorter_than_half_a_millisecond_is_not_logged_as_zero(make_record):
    assert classic_row(make_record(latency_ms=0.2)).latency_ms == 1


def test_a_draft_length_that_the_server_chose_is_an_empty_cell(make_record):
    assert exported([make_record(mode="auto:ema", draft_length=None)]).splitlines()[1].split(",")[4] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_calculate_is_made_text(make_record, start):
    (_, row) = csv.reader(io.StringIO(exported([make_record(mode=f"{start}HYPERLINK(1)")]), newline=""))
    assert row[2] == f"'{start}HYPERLINK(1)"


def test_a_placebo_run_bears_the_stamp_in_its_mode_names_since_there_is_no_column_for_it(make_record):
    text = exported([make_record(placebo=True)])
    assert text == f"{HEADER_LINE}\n1,1,PLACEBO:fixed_2,steady,2,true,100,32\n"


def read_back(path, records) -> tuple[ClassicRow, ...]:
    with path.open("w", newline="", encoding="utf-8") as file:
        write_classic_csv(records, file)
    (run,) = read_classic_csv(path)
    return run.rows


def test_the_stamp_is_taken_off_the_name_and_marks_the_row(make_record, tmp_path):
    (row,) = read_back(tmp_path / "placebo.csv", [make_record(placebo=True)])
    assert (row.mode, row.placebo) == ("fixed_2", True)
    (row,) = read_back(tmp_path / "plain.csv", [make_record()])
    assert (row.mode, row.placebo) == ("fixed_2", False)


@pytest.mark.parametrize("mode", ["PLACEBO:fixed_2", "'PLACEBO:fixed_2", "PLACEBO", "PLACEBO:", "=PLACEBO:"])
@pytest.mark.parametrize("placebo", [False, True])
def test_a_mode_that_is_called_like_the_stamp_is_not_taken_for_it(make_record, tmp_path, mode, placebo):
    (row,) = read_back(tmp_path / "run.csv", [make_record(mode=mode, placebo=placebo)])
    assert (row.mode, row.placebo) == (mode, placebo)


mode_names = st.text(st.characters(exclude_categories=["Cs"]))
rows = st.fixed_dictionaries(
    {
        "mode": mode_names
        | st.builds("{}{}{}".format, st.sampled_from(["", "'", "''", "="]), st.just("PLACEBO:"), mode_names),
        "placebo": st.booleans(),
        "phase": st.sampled_from(MEASURED_PHASES),
        "step": st.integers(1, 10**6),
        "draft_length": st.none() | st.integers(0, 16),
        "success": st.booleans(),
        "latency_ms": st.integers(1, 10**6),
        "completion_tokens": st.integers(0, 10**6),
    }
)


@given(rows=st.lists(rows, min_size=1, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory, make_record, rows):
    records = [make_record(global_step=n, error="why", **row) for n, row in enumerate(rows, start=1)]
    path = tmp_path_factory.mktemp("csv") / "run.csv"
    assert read_back(path, records) == tuple(classic_row(record) for record in records)


def test_where_global_step_does_not_increase_another_run_begins(tmp_path):
    path = tmp_path / "pooled.csv"
    steps = [1, 2, 3, 1, 2, 2]
    lines = [f"{n},{n},fixed_1,steady,1,true,100,64" for n in steps]
    path.write_text("\n".join([HEADER_LINE, *lines]) + "\n")

    runs = read_classic_csv(path)

    assert [[row.global_step for row in run.rows] for run in runs] == [[1, 2, 3], [1, 2], [2]]
    assert [run.first_line for run in runs] == [2, 5, 7]


def test_a_file_saved_again_by_a_spreadsheet_is_still_read(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER_LINE.encode() + b"\r\n1,1,fixed_1,steady,1,TRUE,0,0\r\n\r\n")
    (run,) = read_classic_csv(path)
    assert run.rows[0].success
    assert run.rows[0].latency_ms == 0


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ("x,1,fixed_1,steady,1,true,100,64", "global_step is 'x'"),
        ("1,1,fixed_1,warm,1,true,100,64", "phase is 'warm'"),
        ("1,1,fixed_1,steady,-1,true,100,64", "draft_length is '-1'"),
        ("1,1,fixed_1,steady,1,yes,100,64", "success is 'yes'"),
        ("1,1,fixed_1,steady,1,true,1e3,64", "latency_ms is '1e3'"),
        ("1,1,fixed_1,steady,1,true,100," + "9" * 5000, "tokens is '9"),
        ("1,1,fixed_1,steady,1,true,100", "7 cells where 8"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(tmp_path, cells, complaint):
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEADER_LINE}\n1,1,fixed_1,steady,1,true,100,64\n{cells}\n")

    with pytest.raises(StoreError) as caught:
        read_classic_csv(path)

    assert f"{path}, line 3: {complaint}" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "line 1: the header is not"),
        (HEADER_LINE.encode() + b"\n", "no rows"),
        (HEADER_LINE.encode() + b"\n1,1,\xff,steady,1,true,1,1\n", "not text in UTF-8"),
        (HEADER_LINE.encode() + b'\n1,1,"' + b"x" * 200_000 + b'",steady,1,true,1,1\n', "line 2"),
    ],
)
def test_a_file_that_is_no_classic_csv_is_one_sentence(tmp_path, content, complaint):
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=complaint):
        read_classic_csv(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        read_classic_csv(tmp_path / "none.csv")


def test_the_header_constant_is_the_documented_one():
    assert ",".join(HEADER) == HEADER_LINE
