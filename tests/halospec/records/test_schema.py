"""What a round says, and what is written of it."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from halospec.records.schema import RequestRecord, Round


def test_a_round_is_written_without_what_the_server_does_not_say():
    said = json.loads(Round(k=2, accepted=1, threads=2, draft_threads=0).model_dump_json())
    assert said == {
        "k": 2, "accepted": 1, "draft_us": 0.0, "verify_us": 0.0, "sample_us": 0.0, "threads": 2, "draft_threads": 0,
    }  # fmt: skip


def test_a_record_with_rounds_comes_back_as_it_was(make_record):
    whole = Round(k=3, accepted=1, limit=4, catch_up_us=5.5, threads=2, draft_threads=1, sequences=2, width=9)
    record = make_record(round_log=(whole, Round(k=0, accepted=0)))
    assert RequestRecord.model_validate_json(record.model_dump_json()) == record


def test_rounds_from_before_threads_were_told_have_none():
    old = Round.model_validate_json('{"k": 4, "accepted": 3, "draft_us": 1, "verify_us": 2, "sample_us": 3}')
    assert (old.limit, old.catch_up_us, old.threads, old.draft_threads, old.sequences, old.width) == (None,) * 6


@pytest.mark.parametrize("odd", [{"threads": -1}, {"width": 2**31}, {"catch_up_us": -0.5}])
def test_numbers_that_no_server_means_are_refused(odd):
    with pytest.raises(ValidationError):
        Round.model_validate({"k": 1, "accepted": 0} | odd)
