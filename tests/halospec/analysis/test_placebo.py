"""A placebo run through the original's CSV and back: the stamp travels along."""

from __future__ import annotations

import re

from halospec.analysis.tables import summary_text
from halospec.records.classic_csv import read_classic_csv, write_classic_csv
from halospec.records.schema import Phase
from summarized import measured, summarized


def through_csv(records, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        write_classic_csv(records, file)
    (run,) = read_classic_csv(path)
    return run.rows


def test_one_placebo_request_marks_the_whole_run(make_record):
    warm = make_record(phase=Phase.WARMUP, placebo=True)
    assert measured([warm, make_record(), make_record()]).placebo
    assert not measured([make_record()]).placebo


def test_a_summary_of_an_exported_csv_bears_the_stamp_again(make_record, tmp_path):
    modes = ["fixed_0", "fixed_4", "adaptive"]
    records = [make_record(mode=mode, global_step=n, placebo=True) for n, mode in enumerate(modes, start=1)]
    summary = summarized(through_csv(records, tmp_path / "run.csv"))

    assert summary.placebo
    assert [mode.mode for mode in summary.modes] == modes
    assert "PLACEBO: Per mode, all phases" in summary_text(summary)


def test_an_exported_csv_of_any_other_run_speaks_of_no_placebo(make_record, tmp_path):
    path = tmp_path / "run.csv"
    summary = summarized(through_csv([make_record()], path))
    assert not re.search("placebo", path.read_text() + summary_text(summary), re.IGNORECASE)
