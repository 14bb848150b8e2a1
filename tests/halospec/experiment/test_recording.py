"""What a controller learns of a request, and what is kept of its reasons."""

from __future__ import annotations

import math

import pytest

from halospec.controllers.decision import Candidate, Decision, Setting
from halospec.experiment.recording import Place, decision_record_of, outcome_of, reasons_of
from halospec.records.decisions import DecisionRecord
from halospec.records.schema import Round

ROUND = Round(
    k=3, accepted=1, draft_us=4000, verify_us=20_000, sample_us=500, limit=4, threads=2, draft_threads=1, sequences=2,
    width=7,
)  # fmt: skip


def test_a_controller_learns_how_long_decoding_took_and_every_round(make_record):
    record = make_record(draft_length=4, first_token_ns=40_000_000, ended_ns=100_000_000, round_log=(ROUND,))
    outcome = outcome_of(record)
    (done,) = outcome.round_log
    assert outcome.decode_ms == pytest.approx(60.0)
    assert (done.limit, done.k, done.accepted, done.draft_ms, done.verify_ms) == (4, 3, 1, 4.0, 20.5)
    assert (done.threads, done.draft_threads, done.sequences, done.width) == (2, 1, 2, 7)


def test_where_a_server_does_not_say_what_was_in_force_it_is_what_was_asked_for(make_record):
    rounds = (Round(k=2, accepted=2), Round(k=5, accepted=0))
    limits = [done.limit for done in outcome_of(make_record(draft_length=4, round_log=rounds)).round_log]
    assert limits == [4, 5]


def test_a_reply_that_was_not_streamed_or_failed_has_no_decode_time(make_record):
    assert outcome_of(make_record(first_token_ns=None)).decode_ms is None
    failed = make_record(success=False, error="Gone.", first_token_ns=1)
    assert outcome_of(failed).decode_ms is None


def test_reasons_are_kept_without_what_is_no_number():
    weighed = (Candidate(Setting(2, 1, 2), 2.0, 30.00004), Candidate(Setting(3), 2.5, math.inf))
    reasons = reasons_of(
        Decision(Setting(2, 1, 2), "moved", weighed, acceptance=(1.0000001, 0.51239), alarms=("load",))
    )
    assert [(one.draft_length, one.threads, one.draft_threads, one.ms_per_token) for one in reasons.candidates] == [
        (2, 1, 2, 15.0)
    ]
    assert reasons.acceptance == (1.0, 0.5124)
    assert (reasons.round, reasons.reason, reasons.alarms) == (None, "moved", ("load",))


def test_a_decision_bears_the_place_of_its_request_and_survives_writing():
    place = Place("cost_model", 2, 3, 15, "a", trial_id="id", trial_attempt=2)
    record = decision_record_of(place, reasons_of(Decision(Setting(2), "best")))
    assert DecisionRecord.model_validate_json(record.model_dump_json()) == record
    assert (record.mode, record.block, record.step, record.trial_id, record.trial_attempt) == (
        "cost_model", 2, 3, "id", 2,
    )  # fmt: skip


def test_however_much_a_rule_says_it_can_be_kept():
    weighed = tuple(Candidate(Setting(k), 1.5, ms) for k, ms in ((1, 1e300), (2, math.nan), (3, 30.0)))
    alarms = tuple(f"alarm {number}" for number in range(200))
    reasons = reasons_of(Decision(Setting(3), "x" * 1000, weighed, alarms=alarms))
    assert [one.draft_length for one in reasons.candidates] == [3]
    assert (len(reasons.reason), reasons.alarms) == (400, alarms[-64:])
