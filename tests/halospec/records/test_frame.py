"""Records as a frame, whichever file they come from."""

from pathlib import Path

import pandas as pd
import pytest

from halospec.records.frame import read_frame
from halospec.records.parquet import write_parquet
from halospec.records.store import StoreError, read_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def test_the_journal_and_the_parquet_file_give_the_same_numbers(tmp_path):
    write_parquet(read_records(DEMO).records, tmp_path / "records.parquet")
    scalars = ["mode", "phase", "step", "draft_length", "success", "latency_ms", "completion_tokens", "void"]
    from_journal, from_parquet = read_frame(DEMO)[scalars], read_frame(tmp_path / "records.parquet")[scalars]
    pd.testing.assert_frame_equal(from_journal, from_parquet, check_dtype=False, check_categorical=False)


def test_what_the_server_did_not_say_is_missing_and_not_zero():
    frame = read_frame(DEMO)
    assert frame["error"].isna().all()
    assert frame["rounds"].notna().all()


def test_a_file_that_is_no_table_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "records.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        read_frame(path)
